# Generated from modular/modular_memory_gate_llama.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model memory_gate_llama`.
# Seal: sha256 fc7b1dca9cc6061eda66a2a672e23976b3a86b494a44f373561c1de858f865a4
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
from .configuration_memory_gate_llama import *
from .modeling_memory_gate_llama import *
