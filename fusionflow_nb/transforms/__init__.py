"""What local transform nodes do: plain functions, imported by dotted name only when a node runs."""
