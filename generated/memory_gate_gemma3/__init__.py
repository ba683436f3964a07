# Generated from modular/modular_memory_gate_gemma3.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model memory_gate_gemma3`.
# Seal: sha256 0433523a2ecbe06912f1e3ec2352cefae9c72577cf31e23df8b823697f78f4a9
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
from .configuration_memory_gate_gemma3 import *
from .modeling_memory_gate_gemma3 import *
