from ..caps.modeling_caps import CAPSModel


class CaseNetModel(CAPSModel):
    pass


__all__ = ["CaseNetModel"]
