class YetBlock:
    pass


class YetAttention:
    block = YetBlock


class YetModel:
    pass
