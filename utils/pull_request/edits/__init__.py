"""The files that all models share, with a model's lines put in. Each room: text to text."""
