from ....utils import logging


class CaseModel:
    logger = logging.get_logger(__name__)


__all__ = ["CaseModel"]
