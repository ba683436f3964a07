"""What a training run logs, a line of JSON each: as the training of other gates does. Needs torch."""

from __future__ import annotations

from selection.metrics import Metrics


__all__ = ["Metrics"]
