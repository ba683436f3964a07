# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 267dfb47ffb89790e52be96ccc84b5bc56a9fef307930e1b45792f578440cf5a
# The licence.
from .modeling_case import *
from .processing_case import *
