from ...utils import ACTIVATIONS, is_vision_available, register
from ..toy.modeling_toy import ToyModel


TABLE = {}
for key in (1, 2):
    TABLE[key] = "x"
ACTIVATIONS["case"] = 1
COUNT = 1
COUNT = COUNT + 1
if COUNT > 1:
    COUNT = 5
if is_vision_available():
    from PIL import Image

    SIZE = 3


@register("case")
def unused(x):
    return x


class CaseModel(ToyModel):
    def look(self):
        return TABLE[1], COUNT

    @register("one")
    def _(self):
        return 1

    @register("two")
    def _(self):
        return 2


CaseModel.extra = 7
print(CaseModel)
__all__ = ["CaseModel"]
