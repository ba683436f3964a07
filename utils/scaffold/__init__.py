"""The name of a base in transformers -> the delta that gates it, or the reason why not."""
