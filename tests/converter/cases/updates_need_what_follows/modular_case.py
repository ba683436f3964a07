def slow(x):
    return x


KERNELS = {"slow": slow}
LIMIT = 1
LIMIT += 1


def fast(x):
    return x + LIMIT


KERNELS["fast"] = fast


class CaseModel:
    def forward(self, x):
        return KERNELS["fast"](x)


__all__ = ["CaseModel"]
