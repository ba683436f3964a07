"""Conversion as a build: which models, in what order, from the cache or by many processes, onto the disk or compared."""
