"""Tests rendered from templates/tests/ find what they share, `support`, in this folder."""
