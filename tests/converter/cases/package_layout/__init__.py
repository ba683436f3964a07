# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 10f02bb907dac84b4956794213e8cf50086659141e2bcc90a8653f73dced2751
# The licence of the case.
from .configuration_case import *
from .modeling_case import *
