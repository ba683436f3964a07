# Generated from modular/modular_select_gate_qwen3_moe.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model select_gate_qwen3_moe`.
# Seal: sha256 444f9a48c489253e319ce39eba0db0fedcf878ed2648e316dbe76419eb7629fa
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
from .configuration_select_gate_qwen3_moe import *
from .modeling_select_gate_qwen3_moe import *
