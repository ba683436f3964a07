# SPDX-License-Identifier: Apache-2.0
"""What the gate says otherwise in a pull request to transformers."""

MEMORY_GATE_INPUTS = r"""
    output_memory (`bool`, *optional*):
        Whether to return which rows of the memory were read. If it is not given, `config.output_memory` decides.
    memory_targets (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
        For training, the row that each token is to read; `-1` where none of the bank answers, `-100` where nothing is
        known.
"""
