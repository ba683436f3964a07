class ToyPreTrainedModel:
    pass


class ToyModel(ToyPreTrainedModel):
    pass


__all__ = ["ToyModel", "ToyPreTrainedModel"]
