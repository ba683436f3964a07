"""Stands in for transformers' tests/causal_lm_tester.py: the same names and attributes, of this project's own writing.

A tester knows a tiny configuration and inputs of one architecture; a test class runs every mixin there is on it.
"""

from __future__ import annotations

import importlib
import inspect
import unittest
from typing import Any

import torch

from transformers import PreTrainedConfig, PreTrainedModel
from transformers.testing_utils import torch_device

from .generation.test_utils import GenerationTesterMixin
from .test_configuration_common import ConfigTester
from .test_expert_parallel_mixin import ExpertParallelTesterMixin
from .test_fsdp_mixin import FSDPTesterMixin
from .test_modeling_common import ModelTesterMixin, ids_tensor, random_attention_mask
from .test_pipeline_mixin import PipelineTesterMixin
from .test_tensor_parallel_mixin import TensorParallelTesterMixin
from .test_training_mixin import TrainingTesterMixin


# tester attribute -> how the class is named after the prefix of the base model
_ROLES = {
    "config_class": "Config",
    "causal_lm_class": "ForCausalLM",
    "sequence_classification_class": "ForSequenceClassification",
    "token_classification_class": "ForTokenClassification",
    "question_answering_class": "ForQuestionAnswering",
}
_SIZES = {
    "batch_size": 13,
    "seq_length": 7,
    "is_training": True,
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "head_dim": 16,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "type_vocab_size": 16,
    "num_labels": 3,
    "is_decoder": False,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 36,
    "shared_expert_gate": True,
    "moe_num_shared_experts": 2,
    "moe_layer_start_index": 0,
    "expert_interval": 1,
    "mamba_n_groups": 1,
    "mamba_n_heads": 16,
    "mamba_d_state": 16,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
    "mamba_chunk_size": 16,
}
_TASKS = {
    "feature-extraction": "base_model_class",
    "text-generation": "causal_lm_class",
    "text-classification": "sequence_classification_class",
    "zero-shot": "sequence_classification_class",
    "token-classification": "token_classification_class",
    "question-answering": "question_answering_class",
}


class CausalLMModelTester:
    """A subclass says `base_model_class`; the other classes are found by name, or said as well."""

    base_model_class = None
    config_class = None
    causal_lm_class = None
    sequence_classification_class = None
    token_classification_class = None
    question_answering_class = None

    def __init__(self, parent: unittest.TestCase, **sizes: Any) -> None:
        self.parent = parent
        for name, value in {**_SIZES, **sizes}.items():
            setattr(self, name, value)
        prefix = self.base_model_class.__name__.removesuffix("Model")
        module = importlib.import_module(self.base_model_class.__module__)
        for role, ending in _ROLES.items():
            if getattr(self, role) is None:
                setattr(self, role, getattr(module, prefix + ending, None))
        if not (self.config_class and self.causal_lm_class):
            raise ValueError(f"{type(self).__name__}: name the config and the causal language model of {prefix}")

    @property
    def all_model_classes(self) -> tuple[type[PreTrainedModel], ...]:
        roles = ["base_model_class", *list(_ROLES)[1:]]
        return tuple(getattr(self, role) for role in roles if getattr(self, role))

    @property
    def pipeline_model_mapping(self) -> dict[str, type[PreTrainedModel]]:
        return {task: getattr(self, role) for task, role in _TASKS.items() if getattr(self, role)}

    def get_config(self) -> PreTrainedConfig:
        usual = {own: name for name, own in self.config_class.attribute_map.items()}  # "n_embd" -> "hidden_size"
        known = {own: getattr(self, name) for own, name in usual.items() if hasattr(self, name)}
        known |= vars(self)
        fields = [*inspect.signature(self.config_class.__init__).parameters, "pad_token_id"]
        return self.config_class(**{name: known[name] for name in fields if name in known})

    def prepare_config_and_inputs(self) -> tuple[PreTrainedConfig, torch.Tensor, torch.Tensor]:
        shape = [self.batch_size, self.seq_length]
        tokens = ids_tensor(shape, self.vocab_size - 3).to(torch_device) + 3  # none of the special ones
        return self.get_config(), tokens, random_attention_mask(shape).to(torch_device)

    def prepare_config_and_inputs_for_common(self) -> tuple[PreTrainedConfig, dict[str, torch.Tensor]]:
        config, tokens, mask = self.prepare_config_and_inputs()
        return config, {"input_ids": tokens, "attention_mask": mask}


class CausalLMModelTest(
    ModelTesterMixin,
    GenerationTesterMixin,
    PipelineTesterMixin,
    TrainingTesterMixin,
    TensorParallelTesterMixin,
    ExpertParallelTesterMixin,
    FSDPTesterMixin,
):
    model_tester_class = None
    all_model_classes = None
    pipeline_model_mapping = None

    def setUp(self) -> None:
        if self.model_tester_class is None:
            raise unittest.SkipTest("the base of test classes, not one itself")
        self.model_tester = self.model_tester_class(self)
        self.config_tester = ConfigTester(self, config_class=self.model_tester.config_class)
        self.all_model_classes = self.all_model_classes or self.model_tester.all_model_classes
        self.pipeline_model_mapping = self.pipeline_model_mapping or self.model_tester.pipeline_model_mapping

    def test_config(self) -> None:
        self.config_tester.run_common_tests()

    def test_model(self) -> None:
        config, tokens, mask = self.model_tester.prepare_config_and_inputs()
        for model_class in (self.model_tester.base_model_class, self.model_tester.causal_lm_class):
            model = model_class(config).to(torch_device).eval()
            with torch.no_grad():
                outputs = model(tokens, attention_mask=mask)
            size = config.vocab_size if "logits" in outputs else config.hidden_size
            self.assertEqual(outputs[0].shape, (*tokens.shape, size))

    def test_sequence_classification_model(self) -> None:
        self._check_labels("sequence_classification_class", (), "single_label_classification")

    def test_sequence_classification_model_for_multi_label(self) -> None:
        labels = self.model_tester.num_labels
        self._check_labels("sequence_classification_class", (labels,), "multi_label_classification", torch.float)

    def test_token_classification_model(self) -> None:
        self._check_labels("token_classification_class", (self.model_tester.seq_length,), None)

    def _check_labels(
        self, role: str, shape: tuple[int, ...], problem_type: str | None, dtype: torch.dtype = torch.long
    ) -> None:
        model_class = getattr(self.model_tester, role)
        if model_class is None:
            self.skipTest(f"the architecture has no {role.removesuffix('_class').replace('_', ' ')}")
        config, tokens, mask = self.model_tester.prepare_config_and_inputs()
        config.num_labels, config.problem_type = self.model_tester.num_labels, problem_type
        labels = ids_tensor([len(tokens), *shape], 2).to(torch_device, dtype)
        outputs = model_class(config).to(torch_device).eval()(tokens, attention_mask=mask, labels=labels)
        per_token = shape if role.startswith("token") else ()
        self.assertEqual(outputs.logits.shape, (len(tokens), *per_token, config.num_labels))
        self.assertTrue(outputs.loss.isfinite())
