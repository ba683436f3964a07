"""Short deltas woven into their bases: a declaration, a gate and the base's text -> the text of a modular file."""
