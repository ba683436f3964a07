"""The command `quality-gate`, and in an installed package the tools that it starts (see utils/places.py)."""
