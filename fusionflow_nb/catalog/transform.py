"""Nodes that change media in this kernel."""
from __future__ import annotations
def node_types():
    return []
