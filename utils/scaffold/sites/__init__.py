"""Where a gate goes in a base: one finder a file, all in `table`."""
