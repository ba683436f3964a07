from ...utils import logging


SIZE = 1
_CONFIG_FOR_DOC = "ToyConfig"
logger = logging.get_logger("toy")


class ToyModel:
    def forward(self, x):
        logger.info(_CONFIG_FOR_DOC)
        return SIZE
