from ..low.modeling_low import LowModel


class CAPSModel(LowModel):
    pass


__all__ = ["CAPSModel"]
