"""Test suites for gated models: facts in, tests out."""
