# Generated from modular/modular_quality_gate_qwen3.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_qwen3`.
# Seal: sha256 9d36193cb3bfe1b97781ba5781afd43efa949296dac5d0574db65897c53cd548
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
from .configuration_quality_gate_qwen3 import *
from .configuration_quality_gate_qwen3 import QualityGateQwen3Config as QualityGateConfig
from .modeling_quality_gate_qwen3 import *
from .modeling_quality_gate_qwen3 import QualityGateQwen3DecoderLayer as QualityGateDecoderLayer
from .modeling_quality_gate_qwen3 import QualityGateQwen3ForCausalLM as QualityGateForCausalLM
from .modeling_quality_gate_qwen3 import QualityGateQwen3Gate as QualityGate
from .modeling_quality_gate_qwen3 import QualityGateQwen3Model as QualityGateModel
