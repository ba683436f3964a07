"""Generated models at work: once at a tiny size, and once with a real checkpoint. Needs torch."""
