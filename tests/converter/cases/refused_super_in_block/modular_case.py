from ..toy.modeling_toy import ToyLayer


class CaseLayer(ToyLayer):
    def reset(self, hard):
        if hard:
            super().reset(hard)


__all__ = ["CaseLayer"]
