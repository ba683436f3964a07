# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 28355af691b01036c5b4fb5860b6dff2e68abc71d6349ad9b1bd7862de0b5a8a
from .configuration_case import *
from .modeling_case import *
