"""Immutable bytes, named by their sha256: the AssetStore protocol, the stores, and the recipe that files carry."""
