# Generated from modular/modular_quality_gate_diffllama.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_diffllama`.
# Seal: sha256 e6156bf25d14f41dc447b4988b4163a886b38a8e01e91d20bb4b4c99a03f02ce
# Copyright 2026 The Quality Gate team.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
from .configuration_quality_gate_diffllama import *
from .modeling_quality_gate_diffllama import *
