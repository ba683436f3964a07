# Generated from src/transformers/models/case_lm/modular_case_lm.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 7288fd8f2f5969521000cc43e0b6cbd825a6433c17485ff9fab50d31136c30d7
from .configuration_case_lm import CaseLMConfig


class CaseLMModel:
    config: CaseLMConfig


__all__ = ["CaseLMModel"]
