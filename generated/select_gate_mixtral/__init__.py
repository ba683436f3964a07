# Generated from modular/modular_select_gate_mixtral.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model select_gate_mixtral`.
# Seal: sha256 e08ebb977c70cc5873e821fcf6095d8714569875617b951987984ca8f0d9a12c
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
from .configuration_select_gate_mixtral import *
from .modeling_select_gate_mixtral import *
