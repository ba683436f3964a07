"""Every architecture of transformers with a causal language model: gated, tested, and listed in docs/architectures.md."""
