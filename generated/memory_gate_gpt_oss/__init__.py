# Generated from modular/modular_memory_gate_gpt_oss.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model memory_gate_gpt_oss`.
# Seal: sha256 d5752a27e75527ccd4a04054ea7f3acd041ac4ad0741a04e00a92c803c7f74ad
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
from .configuration_memory_gate_gpt_oss import *
from .modeling_memory_gate_gpt_oss import *
