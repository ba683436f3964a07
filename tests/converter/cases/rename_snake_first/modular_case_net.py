from ..odd.modeling_odd import OddOneModel


class CaseNetModel(OddOneModel):
    pass


__all__ = ["CaseNetModel"]
