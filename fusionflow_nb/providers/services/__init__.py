"""Adapters: one module per service."""
