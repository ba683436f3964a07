"""What gates said of a text, to look at: a page, a picture, a terminal, a notebook."""
