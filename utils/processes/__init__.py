"""Processes that load slow libraries once, and forks of them for what has to stay apart."""
