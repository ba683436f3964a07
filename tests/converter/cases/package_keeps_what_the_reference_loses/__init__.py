# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 524caabc8ae63bf2021c1a04b92b7af5bdb7d4ec4a45a095aea0db2d441bcde1
from .modeling_case import *
