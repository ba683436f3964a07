class ToyPreTrainedModel:
    pass


class ToyModel(ToyPreTrainedModel):
    pass
