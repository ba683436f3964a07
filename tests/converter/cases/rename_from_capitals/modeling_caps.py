CAPS_SIZE = 1


class CAPSModel:
    """CAPS, CAPSize, caps and Caps."""

    size = CAPS_SIZE
