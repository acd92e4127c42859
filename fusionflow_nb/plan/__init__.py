"""From a flow to what a run would do: jobs, content keys, stale reasons, price. Pure: no I/O."""
