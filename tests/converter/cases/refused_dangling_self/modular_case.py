from ..toy.modeling_toy import ToyLayer


class CaseLayer(ToyLayer):
    def __init__(self, config):
        super().__init__(config)
        del self.size
        del self.depth


__all__ = ["CaseLayer"]
