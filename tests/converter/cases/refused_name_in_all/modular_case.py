class CaseModel:
    pass


class CaseConfig:
    pass


__all__ = ["CaseConfig", "CaseModle"]
