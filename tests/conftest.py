"""The tests use no network, however they are started."""

import os


os.environ["HF_HUB_OFFLINE"] = "1"
