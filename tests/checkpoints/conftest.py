"""Tokenizers and texts are those of the tests of selection."""

import sys
from pathlib import Path


sys.path.append(str(Path(__file__).parents[1] / "selection"))
