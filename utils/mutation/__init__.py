"""Mutation testing of the tools: small defects in the code of `utils/`, one at a time, and whether a test notices."""
