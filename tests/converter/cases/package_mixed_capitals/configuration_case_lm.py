# Generated from src/transformers/models/case_lm/modular_case_lm.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 892cdbee404e42883b9884d7e6e98bf086c80e8dff4d095e45f783db44922895
class CaseLMConfig:
    model_type = "case_lm"


__all__ = ["CaseLMConfig"]
