# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 5c4b680e4373bda26904c4bddff4fc7296da66de3db4427fb1f07e8ba874e4a2
# The licence of the case.

from transformers.configuration_utils import PreTrainedConfig


class CaseConfig(PreTrainedConfig):
    model_type = "case"


__all__ = ["CaseConfig"]
