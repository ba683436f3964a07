# Generated from src/transformers/models/case_lm/modular_case_lm.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 7436d2dc12497c02d50d143ccc24418c86fafeed494cd119c1f200fc5abfadda
from .configuration_case_lm import *
from .modeling_case_lm import *
