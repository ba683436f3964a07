"""Stands in for transformers' tests/generation/test_utils.py, of this project's own writing.

What has to hold between ways to generate: the same text, whatever keeps the cache and whoever proposes the tokens.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import torch

from transformers import PreTrainedConfig, PreTrainedModel, set_seed
from transformers.testing_utils import torch_device

from ..rounding import assert_equal_but_for_rounding, assert_equal_but_for_ties, rounding_bound


_NEW_TOKENS = 6
_WITH_LOGITS = {"return_dict_in_generate": True, "output_logits": True}
Inputs = dict[str, torch.Tensor]


def _width(model: PreTrainedModel) -> int:
    """The products in a sum: as many as an embedding has numbers."""
    return model.get_input_embeddings().weight.shape[-1]


def _cache(model: PreTrainedModel) -> str:
    """What a model takes a cache as, and gives it back as."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


class GenerationTesterMixin:
    input_name = "input_ids"

    def prepare_config_and_inputs_for_generate(self, batch_size: int = 2) -> tuple[PreTrainedConfig, Inputs]:
        config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
        inputs = {
            name: value[:batch_size] if isinstance(value, torch.Tensor) else value for name, value in inputs.items()
        }
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        for part in {id(each): each for each in (config, config.get_text_config())}.values():
            part.eos_token_id = part.forced_eos_token_id = None  # no sample ends early
        return config, inputs

    def _models(self) -> Iterator[tuple[PreTrainedModel, Inputs]]:
        self.assertTrue(self.all_generative_model_classes, "no class of this architecture can generate")
        for model_class in self.all_generative_model_classes:
            config, inputs = self.prepare_config_and_inputs_for_generate()
            set_seed(0)
            model = model_class(config).to(torch_device).eval()
            model.generation_config.eos_token_id = None
            yield model, inputs

    def _generate(self, model: PreTrainedModel, inputs: Inputs, **options: Any) -> Any:
        options = {"max_new_tokens": _NEW_TOKENS, "do_sample": False, **options}
        return model.generate(**copy.deepcopy(inputs), **options)

    def test_greedy_generate(self) -> None:
        """Every token is the likeliest one after those before it."""
        for model, inputs in self._models():
            whole = self._generate(model, inputs, **_WITH_LOGITS)
            length = inputs["input_ids"].shape[1]
            self.assertEqual(whole.sequences.shape[1], length + _NEW_TOKENS)
            with torch.no_grad():
                logits = model(**self._extended(inputs, whole.sequences)).logits
            likeliest = logits[:, length - 1 : -1].argmax(-1)
            assert_equal_but_for_ties(torch.cat([inputs["input_ids"], likeliest], 1), whole, _width(model))

    def test_greedy_generate_without_cache(self) -> None:
        for model, inputs in self._models():
            cached = self._generate(model, inputs, **_WITH_LOGITS)
            plain = self._generate(model, inputs, **_WITH_LOGITS, use_cache=False)
            assert_equal_but_for_ties(cached.sequences, plain, _width(model))
            if torch.equal(cached.sequences, plain.sequences):
                assert_equal_but_for_rounding(cached.logits, plain.logits, _width(model))

    def test_generate_with_static_cache(self) -> None:
        for model, inputs in self._models():
            if not getattr(model, "_can_compile_fullgraph", False):
                self.skipTest(
                    f"{type(model).__name__} says that it cannot be compiled, so static caches are not for it"
                )
            static = self._generate(model, inputs, cache_implementation="static", disable_compile=True)
            assert_equal_but_for_ties(static, self._generate(model, inputs, **_WITH_LOGITS), _width(model))

    def test_past_key_values_format(self) -> None:
        """Every layer that attends keeps all tokens: what is asked of caches counts on it."""
        for model, inputs in self._models():
            with torch.no_grad():
                cache = model(**inputs, use_cache=True).get(_cache(model))
            layers = [
                layer
                for layer in getattr(cache, "layers", ())
                if isinstance(getattr(layer, "keys", None), torch.Tensor)
            ]
            if not layers:
                self.skipTest(f"{type(model).__name__} has no cache of keys and values")
            samples, length = inputs["input_ids"].shape
            for layer in layers:
                self.assertEqual((layer.keys.shape[0], layer.keys.shape[-2]), (samples, length))
                self.assertEqual(layer.keys.shape[:-1], layer.values.shape[:-1])

    def test_sample_generate(self) -> None:
        for model, inputs in self._models():
            set_seed(3)
            first = self._generate(model, inputs, do_sample=True)
            set_seed(3)
            self.assertTrue(torch.equal(self._generate(model, inputs, do_sample=True), first))
            self.assertFalse(torch.equal(self._generate(model, inputs, do_sample=True), first))

    def test_beam_search_generate(self) -> None:
        """What beams are ranked by is how likely the model finds them."""
        for model, inputs in self._models():
            options = {"return_dict_in_generate": True, "output_scores": True, "length_penalty": 0.0}
            beams = self._generate(model, inputs, num_beams=3, num_return_sequences=2, **options)
            self.assertEqual(len(beams.sequences), 2 * len(inputs["input_ids"]))
            repeated = {name: value.repeat_interleave(2, 0) for name, value in inputs.items()}
            with torch.no_grad():
                logits = model(**self._extended(repeated, beams.sequences)).logits
            length = inputs["input_ids"].shape[1]
            chosen = beams.sequences[:, length:, None]
            likelihood = logits[:, length - 1 : -1].float().log_softmax(-1).gather(-1, chosen).sum((1, 2))
            assert_equal_but_for_rounding(beams.sequences_scores, likelihood, _width(model))
            within = rounding_bound(_width(model), likelihood.abs().max().item())
            self.assertTrue((likelihood[::2] >= likelihood[1::2] - within).all())

    def test_assisted_generate(self) -> None:
        for model, inputs in self._models():
            inputs = {name: value[:1] for name, value in inputs.items()}
            if set(inputs) - {"input_ids", "attention_mask"}:
                self.skipTest("an assistant is asked for text alone")
            if model._is_stateful:
                self.skipTest("what a stateful model has read cannot be taken back")
            assistant = copy.deepcopy(model)
            text = self._generate(model, inputs, assistant_model=assistant)
            assert_equal_but_for_ties(text, self._generate(model, inputs, **_WITH_LOGITS), _width(model))

    def test_generate_continues_from_a_cache(self) -> None:
        for model, inputs in self._models():
            whole = self._generate(model, inputs, **_WITH_LOGITS)
            half = self._generate(model, inputs, max_new_tokens=_NEW_TOKENS // 2, return_dict_in_generate=True)
            more = {name: value for name, value in inputs.items() if name not in ("pixel_values", "token_type_ids")}
            more = self._extended(more, half.sequences) | {_cache(model): half[_cache(model)]}
            rest = self._generate(model, more, max_new_tokens=_NEW_TOKENS - _NEW_TOKENS // 2)
            assert_equal_but_for_ties(rest, whole, _width(model))

    def test_left_padding_compatibility(self) -> None:
        for model, inputs in self._models():
            with torch.no_grad():
                expected = model(**inputs).logits[:, -1]
                padded = {name: self._pad(name, value) for name, value in inputs.items()}
                positions = (padded["attention_mask"].cumsum(-1) - 1).clamp(min=0)
                logits = model(**padded, position_ids=positions).logits[:, -1]
            assert_equal_but_for_rounding(logits, expected, _width(model))

    def _pad(self, name: str, value: torch.Tensor) -> torch.Tensor:
        if not isinstance(value, torch.Tensor) or value.ndim != 2:
            return value
        filler = self.model_tester.pad_token_id if name == "input_ids" else 0
        return torch.nn.functional.pad(value, (4, 0), value=filler)

    def _extended(self, inputs: Inputs, sequences: torch.Tensor) -> Inputs:
        """Inputs of as many tokens as `sequences`: new ones are text, and all count."""
        more = sequences.shape[1] - inputs["input_ids"].shape[1]
        longer = {name: torch.nn.functional.pad(value, (0, more)) for name, value in inputs.items() if value.ndim == 2}
        return {**inputs, **longer, "input_ids": sequences, "attention_mask": torch.ones_like(sequences)}
