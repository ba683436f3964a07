# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 8dc127106ceb91784fb82b84c555d2b6da1b7b128d304c7bb158a740d33dfbb4
# The licence of the case.
from .modeling_case import *
from .modeling_case import CaseLayer as OldLayer
from .modeling_case import CaseModel as OldModel
