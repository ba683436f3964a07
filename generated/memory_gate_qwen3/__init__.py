# Generated from modular/modular_memory_gate_qwen3.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model memory_gate_qwen3`.
# Seal: sha256 e2fb2b2db1be2a503c105fad5cd4ff080d6d4b024db8bd12e6814f405fa570f3
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
from .configuration_memory_gate_qwen3 import *
from .configuration_memory_gate_qwen3 import MemoryGateQwen3Config as ExplicitLMConfig
from .modeling_memory_gate_qwen3 import *
from .modeling_memory_gate_qwen3 import MemoryGateQwen3ForCausalLM as ExplicitLM
from .modeling_memory_gate_qwen3 import MemoryGateQwen3ForCausalLM as ExplicitLMForCausalLM
from .modeling_memory_gate_qwen3 import MemoryGateQwen3Model as ExplicitLMModel
from .modeling_memory_gate_qwen3 import ProductKeyMemoryGate as MemoryGate
from .modeling_memory_gate_qwen3 import SwiGLUMemoryFusion as GatedMemoryFusion
