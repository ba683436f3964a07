TABLE = {"toy": 1}
OTHER = {"toy": 2}


def helper():
    return 0


# why
TABLE["key"] = 3
OTHER["key"] = 4
TABLE.name = "toy"


class ToyModel:
    table = TABLE
    helper = helper
