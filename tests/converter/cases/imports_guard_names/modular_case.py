# The licence.

from typing import TYPE_CHECKING

import torch

from ..toy.modeling_toy import ToyModel


if TYPE_CHECKING:
    import never_named


class CaseModel(ToyModel):
    dtype = torch.float32


__all__ = ["CaseModel"]
