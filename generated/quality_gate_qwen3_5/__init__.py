# Generated from modular/modular_quality_gate_qwen3_5.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_qwen3_5`.
# Seal: sha256 89fd727d8c5ddaee7d6dc8135ef7fc8a29173fc637ca8e8d7896e8c6ade32127
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
from .configuration_quality_gate_qwen3_5 import *
from .modeling_quality_gate_qwen3_5 import *
