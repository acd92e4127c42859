"""Is everything sound? Doctor, audit of the money records, asset synchronisation."""
