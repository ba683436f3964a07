from __future__ import annotations

from ..toy.modeling_toy import ToyMLP


class CaseMLP(ToyMLP):
    def itself(self) -> CaseMLP:
        return self


__all__ = ["CaseMLP"]
