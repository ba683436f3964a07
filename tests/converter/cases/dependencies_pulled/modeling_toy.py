import math

from ...utils import logging


logger = logging.get_logger(__name__)

SIZE = 4
UNUSED = 5


def scaled(x):
    return math.sqrt(SIZE) * x


def unused(x):
    return UNUSED


class ToyMLP:
    def forward(self, x):
        logger.warning("scaled")
        return scaled(x)


class ToyUnused:
    pass


class ToyLayer:
    mlp = ToyMLP
    limit = LIMIT


class ToyModel:
    """Made of ToyUnused."""

    layer = ToyLayer


LIMIT = 9
