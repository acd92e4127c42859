"""What does a user call? `ff.x` is defined in `api/x.py`."""
