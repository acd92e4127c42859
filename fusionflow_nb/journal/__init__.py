"""The durable log: one SQLite file that all kernels of a user and machine share. `journal.Journal.open` is its door."""
