"""Test support for adapters: the contract suite, a fake provider, an in-memory store and a template adapter."""
