class OddOneNorm:
    """OddOne, oddone, odd and ODD_ONE."""


class OddOneModel:
    norm = OddOneNorm
