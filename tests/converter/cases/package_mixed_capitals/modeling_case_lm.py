# Generated from src/transformers/models/case_lm/modular_case_lm.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 75a819a4e93893cabc5e6483b3f99af5f734f360b7ab29f9158777a5e0f005d6
from .configuration_case_lm import CaseLMConfig


class CaseLMModel:
    config: CaseLMConfig


class CASELMHead:
    model: CaseLMModel


__all__ = ["CaseLMModel", "CASELMHead"]
