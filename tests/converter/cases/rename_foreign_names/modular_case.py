from ..mamba.modeling_mamba import MambaModel


class CaseModel(MambaModel):
    pass


__all__ = ["CaseModel"]
