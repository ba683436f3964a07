"""A gated model -> everything a pull request to transformers consists of, and checks of it."""
