"""The document: model, file form, edits, history, checks. Pure; it executes nothing and knows no node types."""
