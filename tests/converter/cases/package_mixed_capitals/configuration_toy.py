class ToyConfig:
    model_type = "toy"
