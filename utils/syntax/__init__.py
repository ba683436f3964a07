"""Python as text: read once, asked, and edited in one pass; nothing of it is ever run."""
