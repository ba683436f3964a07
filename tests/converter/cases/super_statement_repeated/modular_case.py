from transformers.models.toy.modeling_toy import ToyLayer


class CaseLayer(ToyLayer):
    def __init__(self, config):
        super().__init__(config)
        self.scale = config.scale
        self.size = config.width
        self.scale = config.scale


__all__ = ["CaseLayer"]
