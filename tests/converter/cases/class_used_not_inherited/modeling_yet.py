class YetHead:
    pass
