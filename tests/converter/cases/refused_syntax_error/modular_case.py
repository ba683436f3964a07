from ..toy.modeling_toy import ToyLayer


class CaseLayer(ToyLayer)
    pass


__all__ = ["CaseLayer"]
