"""Durable log: one SQLite file shared by all kernels of a user on one machine. Open it with `journal.Journal.open`."""
