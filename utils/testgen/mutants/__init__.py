"""Broken gated models, and the proof that their test suites notice."""
