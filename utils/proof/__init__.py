"""Whether converted models do in another release of transformers what their bases do there."""
