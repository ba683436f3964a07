"""Problems of data and of what was made of it, as one line each: which file, what is wrong with it, what to do."""

from __future__ import annotations

from checkpoints.errors import CheckpointError


class SelectionError(CheckpointError):
    """A corpus, scores or an option were refused."""
