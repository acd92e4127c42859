"""Checks and repairs: doctor, audit of the money records, asset synchronisation."""
