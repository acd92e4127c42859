"""Execution of plans: scheduling, isolation of failures, cancellation, provider calls, resume and events."""
