from ...cache_utils import Cache, StaticCache
from ...mentioned import Mentioned
from ...processing_utils import Kwargs, Unpack


class ToyModel:
    name = "Mentioned"

    def forward(self, cache: "Cache", static: "StaticCache | None" = None, **kwargs: Unpack["Kwargs"]) -> "ToyModel":
        return self
