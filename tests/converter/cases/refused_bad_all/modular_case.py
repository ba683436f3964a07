class CaseModel:
    pass


__all__ = [name for name in globals() if name.startswith("Case")]
