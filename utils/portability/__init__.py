"""Suites run as if on other machines: weights elsewhere in memory, other numbers of threads, other instruction sets."""
