"""The tests that transformers has for all its models, run on the generated ones."""
