"""What is refused: where, what is wrong with it, and what to do; the same for every tool."""
