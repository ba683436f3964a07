"""Templates and values to text."""
