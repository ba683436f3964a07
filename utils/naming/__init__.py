"""What a kind of gate is called throughout: the one room of the tools that names the kind which is meant without a word."""
