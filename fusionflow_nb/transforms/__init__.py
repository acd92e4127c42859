"""The functions of local transform nodes, imported by dotted name only when a node runs."""
