from ...utils import is_fast_available
from ...utils.generic import TYPE_CHECKING


if TYPE_CHECKING:
    from ...cache_utils import Cache, EncoderDecoderCache

if is_fast_available():
    from fastlib import (
        fast,  # comments and trailing commas go
    )
    from fastlib.slow import slow, slower
else:
    fast = None


class ToyModel:
    cache: Cache

    def run(self):
        return fast()
