"""Plan a flow: jobs, content keys, reasons why nodes are stale, price. No I/O."""
