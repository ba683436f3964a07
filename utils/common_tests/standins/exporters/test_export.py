"""Stands in for transformers' tests/exporters/test_export.py, of this project's own writing."""

from __future__ import annotations

import copy

import torch

from transformers.testing_utils import torch_device

from ..rounding import assert_equal_but_for_rounding


class ExportTesterMixin:
    test_torch_exportable = True

    def test_torch_export(self) -> None:
        """An exported model answers like the model it came from: the base model and the first head."""
        if not self.test_torch_exportable:
            self.skipTest("the test class says that its models cannot be exported")
        for model_class in self.all_model_classes[:2]:
            with self.subTest(model_class.__name__), torch.no_grad():
                config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
                config.use_cache = config.get_text_config().use_cache = False
                model = model_class(config).to(torch_device).eval()
                inputs = self._prepare_for_class(inputs, model_class)
                expected = model(**copy.deepcopy(inputs))
                exported = torch.export.export(model, args=(), kwargs=copy.deepcopy(inputs), strict=False)
                width = model.get_input_embeddings().weight.shape[-1]
                assert_equal_but_for_rounding(exported.module()(**inputs)[0], expected[0], width)
