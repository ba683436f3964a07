# Generated from modular/modular_quality_gate_glm_moe_dsa.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_glm_moe_dsa`.
# Seal: sha256 23d50ecd467305046c64f02d200ca9310c5c74ee1894c6d2d19789b30dd806d1
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
from .configuration_quality_gate_glm_moe_dsa import *
from .modeling_quality_gate_glm_moe_dsa import *
