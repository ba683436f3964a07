from ...modeling_utils import PreTrainedModel
from ..other.modeling_other import OtherToyHead
from .configuration_toy import ToyConfig
from .helpers_toy import toy_mask


class ToyModel(PreTrainedModel):
    config: ToyConfig

    def forward(self, x):
        from toy.tools import fast  # an absolute import, which is not renamed

        return fast(OtherToyHead(toy_mask(x)))
