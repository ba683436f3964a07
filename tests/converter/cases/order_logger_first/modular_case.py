from ...utils import logging
from ..toy.modeling_toy import ToyModel


logger = logging.get_logger(__name__)


class CaseMLP:
    size = 1


class CaseModel(ToyModel):
    pass


__all__ = ["CaseModel"]
