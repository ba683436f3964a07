class ToyConfig:
    model_type = "toy"

    # how big
    hidden_size: int = 8
    act: str = "silu"  # the delta's line replaces the whole of this one
    depth: int = 2
    depth: int = 3
