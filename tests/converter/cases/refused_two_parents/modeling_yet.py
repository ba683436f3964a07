class YetMixin:
    pass
