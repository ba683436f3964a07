"""Progress bars of the libraries that tools stand on: shown on a terminal, and nowhere else."""

from __future__ import annotations

import os
import sys


# What each library asks before it shows one; tqdm's is for bars that nobody else decides on, such as a trainer's.
SWITCHES = ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS", "TQDM_DISABLE")
# Libraries that ask once, when they are imported, and what turns their bars off later.
_LATER = {
    "huggingface_hub.utils": "disable_progress_bars",
    "transformers.utils.logging": "disable_progress_bar",
    "datasets.utils": "disable_progress_bars",
}


def switch_bars(quiet: bool = False) -> None:
    """Turn bars off where stderr is no terminal, or nobody wants them; processes that are started later show none either.

    transformers, huggingface_hub and datasets need not be imported yet. A switch that a user has set stays as it is.
    """
    if sys.stderr.isatty() and not quiet:
        return
    for switch in SWITCHES:
        os.environ.setdefault(switch, "1")
    for module, function in _LATER.items():
        if module in sys.modules:
            getattr(sys.modules[module], function)()
