"""Expand a modular file (a small delta on an existing model) into standalone model files."""
