from ..toy.modeling_toy import ToyModel, ToyPreTrainedModle


class CasePreTrainedModel(ToyPreTrainedModle):
    pass


class CaseModel(ToyModel):
    pass


__all__ = ["CaseModel"]
