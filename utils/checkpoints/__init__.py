"""Base checkpoints to gated ones and back, and proofs that nothing else changed.

    from checkpoints import Options, compare_models, gate_checkpoint, ungate_checkpoint

Needs numpy; torch is imported for what runs models or reads pickles and GGUF files, and for nothing else.
"""

from checkpoints.comparing import Comparison, compare_models
from checkpoints.errors import CheckpointError
from checkpoints.gating import Gated, gate_checkpoint
from checkpoints.plan import Options
from checkpoints.ungating import Ungated, ungate_checkpoint


__all__ = [
    "CheckpointError",
    "Comparison",
    "Gated",
    "Options",
    "Ungated",
    "compare_models",
    "gate_checkpoint",
    "ungate_checkpoint",
]
