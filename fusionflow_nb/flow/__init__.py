"""The flow document: model, file format, edits, history. It executes nothing and is independent of node types."""
