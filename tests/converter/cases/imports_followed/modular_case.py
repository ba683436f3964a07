from transformers.models.toy.configuration_toy import ToyConfig
from transformers.utils import logging

from ..auto.modeling_auto import AutoModel  # the auto classes are an import like any other
from ..toy.modeling_toy import ToyModel


logger = logging.get_logger(__name__)


class CaseConfig(ToyConfig):
    pass


class CaseModel(ToyModel):
    def other(self):
        logger.info("made")
        return AutoModel.from_config(self.config)


__all__ = ["CaseConfig", "CaseModel"]
