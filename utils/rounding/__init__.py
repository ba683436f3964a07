"""What arithmetic leaves open, and how far apart its results may lie. Knows nothing of ours."""
