"""Adapters to services: the protocol, the model catalogue, one file per service; `local` is the embedded default."""
