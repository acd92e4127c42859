"""The public functions: `ff.x` is defined in `api/x.py`."""
