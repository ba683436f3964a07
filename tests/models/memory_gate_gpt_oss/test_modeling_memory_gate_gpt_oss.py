# Generated from templates/tests/memory/suite.j2 and generated/memory_gate_gpt_oss.
# Do not edit: change the template and run `python utils/test_generator.py --model memory_gate_gpt_oss`.
# Seal: sha256 f8356f0ab726bb46f8532efe384055c80e7d7f471a87c057e6f72e3c0c80e8bd
"""GptOss with a memory, at a tiny size: what any language model has to do, and what its gates read of a bank."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from rounding.comparing import assert_equal_but_for_rounding, assert_equal_but_for_ties
from rounding.layout import lay_out_anew
from support import (
    BATCH,
    GREEDY,
    LENGTH,
    PADDING,
    WAYS_TO_GENERATE,
    WITH_LOGITS,
    copy_weights,
    cross_entropy_by_hand,
    padded_batch,
    positions_of,
    seeded,
    tensors,
    tokens,
    untyped,
    watched,
)

from generated import register_gates
from generated.memory_gate_gpt_oss import (
    MemoryGateGptOssConfig,
    MemoryGateGptOssForCausalLM,
    MemoryGateGptOssForSequenceClassification,
    MemoryGateGptOssForTokenClassification,
    MemoryGateGptOssModel,
)
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.gpt_oss.configuration_gpt_oss import GptOssConfig
from transformers.models.gpt_oss.modeling_gpt_oss import (
    GptOssForCausalLM,
    GptOssForSequenceClassification,
    GptOssForTokenClassification,
    GptOssModel,
)


TINY: dict[str, Any] = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "sliding_window": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
}
MEMORY = {
    "knowledge_num": 64,
    "knowledge_length": 6,
    "knowledge_dim": 8,
    "num_candidates": 4,
    "memory_heads": 2,
    "memory_head_dim": 8,
    "memory_pad_token_id": 0,
}
HIDDEN = 32
ROWS = 40  # that are filled; the others are empty
DESIGNS = ("content", "original")
MARKS = (".memory_norm.", ".memory_gate.", ".gated_memory_fusion.")
BASES = {  # gated class: the one of transformers that it has to agree with
    MemoryGateGptOssModel: GptOssModel,
    MemoryGateGptOssForCausalLM: GptOssForCausalLM,
    MemoryGateGptOssForSequenceClassification: GptOssForSequenceClassification,
    MemoryGateGptOssForTokenClassification: GptOssForTokenClassification,
}


def config(**fields: Any) -> MemoryGateGptOssConfig:
    """A tiny configuration."""
    return MemoryGateGptOssConfig(**{"attn_implementation": "eager", **deepcopy(TINY), **MEMORY, **fields})


def base_config(**fields: Any) -> GptOssConfig:
    """The same for the base."""
    return GptOssConfig(**{"attn_implementation": "eager", **deepcopy(TINY), **fields})


def gated(model_class: type = MemoryGateGptOssForCausalLM, is_open: bool = False, **fields: Any) -> Any:
    """A tiny gated model with random weights and rows, the same ones at every call; an open one reads and writes."""
    model = seeded(model_class, config(**fields))
    model.memory_bank[:ROWS] = rows_of(ROWS)
    if is_open:
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name.endswith((".gain", ".down_proj.weight")) and ".gated_memory_fusion." in name:
                    weight.normal_(std=0.5, generator=generator)
                if name.endswith(
                    (".row_weights.weight", ".query_weights.weight", "key.weight", ".query.weight", "silent_key")
                ):
                    weight.normal_(std=0.3, generator=generator)
                if name.endswith((".null_similarity", ".alpha_threshold")):
                    weight.fill_(-0.5)
    return model


def rows_of(count: int, seed: int = 7) -> torch.Tensor:
    """Rows of random tokens, of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(3, TINY["vocab_size"] - 8, (count, MEMORY["knowledge_length"]), generator=generator)
    lengths = 2 + torch.arange(count) % (MEMORY["knowledge_length"] - 1)
    return rows.masked_fill(torch.arange(rows.shape[1]) >= lengths[:, None], 0)


def pair(model_class: type = MemoryGateGptOssForCausalLM, **fields: Any) -> tuple[Any, Any]:
    """A base, and a new gated model with the same weights."""
    base = seeded(BASES[model_class], base_config())
    model = gated(model_class, **fields)
    missing, unexpected = copy_weights(base, model)
    assert missing == set(gate_weights(model)) | {bank_name(model)} and not unexpected
    return base, model


def gate_weights(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The gates' parameters by name."""
    return {name: weight for name, weight in model.named_parameters() if any(mark in f".{name}" for mark in MARKS)}


def bank_name(model: torch.nn.Module) -> str:
    """What the bank is called in a checkpoint."""
    return next(name for name, _ in model.named_buffers() if name.endswith("memory.memory_bank"))


def gates(model: torch.nn.Module) -> list[Any]:
    """What finds rows, in the order of layers."""
    return [each for name, each in model.named_modules() if name.endswith(".memory_gate")]


def fusions(model: torch.nn.Module) -> list[Any]:
    """What writes them."""
    return [each for name, each in model.named_modules() if name.endswith(".gated_memory_fusion")]


def told(model: Any, row: int = 5) -> torch.Tensor:
    """Targets for two samples: four tokens that read a row, one that finds nothing, and the rest unknown."""
    targets = torch.full((BATCH, LENGTH), -100)
    targets[0, 4:8], targets[1, 6] = row, -1
    return targets


class TestConfig:
    """The configuration extends its base's, survives the disk, and refuses what makes no sense."""

    def test_round_trip(self, tmp_path: Path) -> None:
        before = config(memory_design="original", num_selected=2, memory_layers=[1], freeze_ratio=0.5)
        before.save_pretrained(tmp_path)
        after = MemoryGateGptOssConfig.from_pretrained(tmp_path)
        assert after.to_dict() == before.to_dict()
        assert (after.model_type, after.memory_layers) == ("memory_gate_gpt_oss", [1])

    def test_the_fields_of_the_base_are_kept(self) -> None:
        theirs, ours = untyped(base_config().to_dict()), untyped(config().to_dict())
        assert all(name in ours and ours[name] == value for name, value in theirs.items())
        assert {name: ours[name] for name in MEMORY} == MEMORY

    @pytest.mark.parametrize(
        ("name", "value", "allowed"),
        [
            ("knowledge_num", 60, "a square number, since rows are found by product keys: 49 or 64"),
            ("knowledge_num", 0, "a whole number from 1 on"),
            ("knowledge_length", 0, "a whole number from 1 on"),
            ("knowledge_dim", 7, "even: keys are made of two halves"),
            ("num_candidates", 9, "at most 8, the root of `knowledge_num`"),
            ("num_selected", 5, "at most `num_candidates`, which is 4"),
            ("freeze_ratio", 1.5, "a number from 0 to 1"),
            ("memory_design", "grid", "one of content, original"),
            ("memory_alpha", "step", "one of monotone, mlp, linear"),
            ("gumbel_temperature", math.inf, "a number from 0 to inf"),
        ],
    )
    def test_invalid_values_are_refused_by_name(self, name: str, value: Any, allowed: str) -> None:
        with pytest.raises(ValueError, match=f"`{name}` is {value!r}, but must be {allowed}"):
            config(**{name: value})
        model = gated()
        setattr(model.config, name, value)
        with pytest.raises(ValueError, match=f"`{name}` is {value!r}"):
            type(model)(model.config)

    def test_layers_that_there_are_not_are_refused(self) -> None:
        with pytest.raises(ValueError, match="`memory_layers` names the layer 99"):
            config(memory_layers=[0, 99])
        with pytest.raises(
            ValueError, match="`memory_query_layer` is 1, but must be the number of a layer that is not behind"
        ):
            config(memory_layers=[0], memory_query_layer=1)

    def test_a_checkpoint_of_another_kind_of_gate_is_refused(self) -> None:
        with pytest.raises(ValueError, match="checkpoint of `other_gate_gpt_oss`"):
            config(model_type="other_gate_gpt_oss")

    def test_auto_classes_know_the_architecture(self) -> None:
        register_gates()
        assert type(AutoConfig.for_model("memory_gate_gpt_oss")) is MemoryGateGptOssConfig
        assert type(AutoModelForCausalLM.from_config(config())) is MemoryGateGptOssForCausalLM


class TestParity:
    """A new memory, an empty one, and none are the base, bit for bit."""

    @pytest.mark.parametrize("design", DESIGNS)
    @pytest.mark.parametrize("model_class", BASES)
    def test_every_head_equals_the_bases(self, model_class: type, design: str) -> None:
        base, model = pair(model_class, memory_design=design)
        inputs = padded_batch(model.config)
        with torch.no_grad():
            expected, actual = base(**inputs), model(**inputs)
        assert tensors(expected)
        assert all(torch.equal(actual[name], value) for name, value in tensors(expected).items())

    @pytest.mark.parametrize("design", DESIGNS)
    def test_an_empty_bank_writes_nothing(self, design: str) -> None:
        model = gated(is_open=True, memory_design=design)
        inputs = padded_batch(model.config)
        with torch.no_grad():
            full = model(**inputs, output_memory=True)
            model.memory_bank.fill_(0)
            empty = model(**inputs, output_memory=True)
            base = seeded(GptOssForCausalLM, base_config())
            copied = {name: weight for name, weight in model.state_dict().items() if name in base.state_dict()}
            assert copied.keys() == base.state_dict().keys()
            base.load_state_dict(copied)
            expected = lay_out_anew(base.eval())(**inputs).logits
        assert not torch.equal(full.logits, empty.logits)
        assert_equal_but_for_rounding(empty.logits, expected, HIDDEN)
        assert all(not alphas.any() for alphas in empty.memory_alphas) or design == "content"
        assert all((alphas < 1e-5).all() for alphas in empty.memory_alphas)

    def test_without_a_memory_there_are_no_gates(self) -> None:
        model = seeded(MemoryGateGptOssForCausalLM, config(use_memory=False))
        assert not gate_weights(model) and not any(name.endswith("memory_bank") for name, _ in model.named_buffers())
        assert torch.equal(model(tokens(model.config)).logits, pair()[0](tokens(model.config)).logits)

    @pytest.mark.parametrize("design", DESIGNS)
    def test_half_precision_equals_the_bases(self, design: str) -> None:
        base, model = (each.to(torch.bfloat16) for each in pair(memory_design=design))
        ids = tokens(model.config)
        assert torch.equal(model(ids).logits, base(ids).logits)

    def test_gradients_equal_the_bases(self) -> None:
        losses, models = [], pair()
        for each in models:
            losses.append(each(tokens(config()), labels=tokens(config())).loss)
            losses[-1].backward()
        assert torch.equal(*losses)
        expected = {name: weight.grad for name, weight in models[0].named_parameters() if weight.grad is not None}
        actual = dict(models[1].named_parameters())
        assert expected and all(torch.equal(actual[name].grad, gradient) for name, gradient in expected.items())


class TestBank:
    """Rows are tokens that are read as soon as they are written, and never trained."""

    def test_a_new_bank_is_empty(self) -> None:
        model = seeded(MemoryGateGptOssForCausalLM, config())
        assert model.memory_bank.shape == (64, 6) and model.memory_bank.dtype == torch.int64
        assert not model.memory_bank.any() and not model.memory_bank.requires_grad
        assert "memory_bank" not in " ".join(name for name, _ in model.named_parameters())

    def test_rows_are_written_and_others_kept(self) -> None:
        model = gated()
        before, new = model.memory_bank.clone(), rows_of(2, seed=8)
        model.write_memory(torch.tensor([50, 3]), new)
        assert torch.equal(model.memory_bank[[50, 3]], new)
        others = [row for row in range(64) if row not in (3, 50)]
        assert torch.equal(model.memory_bank[others], before[others])
        with pytest.raises(IndexError, match="Row 64 is none of the bank's, which has 0 to 63"):
            model.write_memory(torch.tensor([64]), new[:1])
        with pytest.raises(IndexError, match="Row -1 is none of the bank's"):
            model.write_memory(torch.tensor([5, -1]), new)
        with pytest.raises(ValueError, match="2 rows have 6 tokens each"):
            model.write_memory(torch.tensor([1, 2]), new[:, :5])

    @pytest.mark.parametrize("how", ["written", "in place", "loaded"])
    @pytest.mark.parametrize("design", DESIGNS)
    def test_a_change_is_read_in_the_very_next_forward(self, design: str, how: str) -> None:
        model, other = (gated(is_open=True, memory_design=design) for _ in range(2))
        ids = tokens(model.config)
        new = rows_of(64, seed=9)
        with torch.no_grad():
            before = model(ids).logits
            if how == "written":
                model.write_memory(torch.arange(64), new)
            elif how == "in place":
                model.memory_bank[:] = new
            else:
                model.load_state_dict({bank_name(model): new}, strict=False)
            other.memory_bank[:] = new  # one that has read no other bank
            after, expected = model(ids).logits, other(ids).logits
        assert not torch.equal(before, after)
        assert_equal_but_for_rounding(after, expected, HIDDEN)

    def test_a_row_that_was_read_is_read_anew_when_it_changes(self) -> None:
        model, other = (gated(is_open=True) for _ in range(2))
        ids, new = tokens(model.config), rows_of(1, seed=9)
        with torch.no_grad():
            before = model(ids, memory_targets=told(model)).logits
            for each in (model, other):
                each.write_memory(torch.tensor([5]), new)
            after, expected = (each(ids, memory_targets=told(each)).logits for each in (model, other))
        assert not torch.equal(before, after)
        assert_equal_but_for_rounding(after, expected, HIDDEN)

    @pytest.mark.parametrize("changes", [(3, 0, -1), (1, 1, -1), (2, -1)])
    def test_a_small_change_of_a_row_is_seen(self, changes: tuple[int, ...]) -> None:
        model = gated(is_open=True)
        with torch.no_grad():
            model(tokens(model.config))
            model.memory_bank[4] = torch.tensor([10, 50, 60, 20, 30, 40])
            model(tokens(model.config))
            model.memory_bank[4, : len(changes)] += torch.tensor(changes)
            model(tokens(model.config))
        assert_equal_but_for_rounding(
            model.base_model.memory.keys[4:5], model.memory_keys(model.memory_bank[4:5]), HIDDEN
        )

    def test_keys_follow_the_gate(self) -> None:
        model = gated(is_open=True)
        ids = tokens(model.config)
        with torch.no_grad():
            model(ids)
            gates(model)[0].projection.weight.normal_(generator=torch.Generator().manual_seed(4))
            after = model(ids).logits
            fresh = gated(is_open=True)
            fresh.load_state_dict(model.state_dict())
            assert_equal_but_for_rounding(after, fresh(ids).logits, HIDDEN)

    @pytest.mark.parametrize("design", DESIGNS)
    def test_keys_have_the_norm_1_and_are_those_of_their_rows(self, design: str) -> None:
        model = gated(is_open=True, memory_design=design)
        rows = rows_of(5)
        keys = model.memory_keys(rows)
        assert_equal_but_for_rounding(keys.norm(dim=-1), torch.ones(5), HIDDEN)
        assert_equal_but_for_rounding(model.memory_keys(rows[2:3])[0], keys[2], HIDDEN)
        longer = torch.cat([rows, torch.zeros(5, 3, dtype=torch.long)], dim=1)  # padding is no part of a row
        assert_equal_but_for_rounding(model.memory_keys(longer), keys, HIDDEN)
        assert not torch.allclose(keys[0], keys[1], atol=1e-3)


class TestContent:
    """The content design, worked out by hand: keys, queries, what is found, and what is copied."""

    def test_keys_are_weighted_pools_of_early_states(self) -> None:
        model = gated(is_open=True)
        gate, rows = gates(model)[0], rows_of(3)
        keys = model.memory_keys(rows)
        for row, key in zip(rows, keys):
            own = row[: int((row != 0).nonzero().max()) + 1]
            states = model.memory_states(own[None])[0].double()
            assert_equal_but_for_rounding(key, self.pool(gate, states, gate.row_weights.weight).float(), HIDDEN)

    @staticmethod
    def pool(gate: Any, states: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """A vector of norm 1 of the states of some tokens, one head after the other."""
        normed = states / (states.square().mean(-1, keepdim=True) + 1e-6).sqrt() * gate.norm.weight.double()
        total = torch.zeros(8, dtype=torch.double)
        for head, projection in enumerate(gate.projection.weight.double().unflatten(0, (2, 8))):
            shares = (10 * (normed @ weights.double()[head] / 10).tanh()).exp()
            total += projection @ (shares[:, None] * normed).sum(0) / shares.sum()
        return total / total.norm()

    def test_rows_are_found_by_the_cosine_of_what_came_before(self) -> None:
        model = gated(is_open=True, memory_sharpness=4.0)
        gate, ids = gates(model)[0], tokens(model.config)
        with torch.no_grad():
            gate.null_similarity.fill_(0.75)
            outputs = model(ids, output_memory=True)
            states = model.memory_states(ids).double()
            keys = model.memory_keys(rows_of(ROWS)).double()
            weights = gate.row_weights.weight + gate.query_weights.weight
            for sample in range(BATCH):
                for place in range(LENGTH):
                    query = self.pool(gate, states[sample, : place + 1], weights)
                    cosines = keys @ query
                    assert cosines[outputs.memory_rows[0][sample, place, 0]] >= cosines.max() - 1e-5
                    alpha = 1 / (1 + math.exp(-4 * (cosines.max().item() - 0.75)))
                    assert outputs.memory_alphas[0][sample, place].item() == pytest.approx(alpha, abs=1e-4)

    def test_what_is_written_is_copied_from_the_row(self) -> None:
        model = gated(is_open=True)
        ids, [fusion] = tokens(model.config), fusions(model)
        layer = next(each for each in model.modules() if getattr(each, "gated_memory_fusion", None) is fusion)
        with torch.no_grad(), watched([fusion]) as calls, watched([layer]) as layers:
            outputs = model(ids, output_memory=True)
        added = calls[0][1]
        after = layers[0][1][0] if isinstance(layers[0][1], tuple) else layers[0][1]
        before = (after - added)[0, 5].double()
        row = rows_of(ROWS)[outputs.memory_rows[0][0, 5, 0]]
        row = row[: int((row != 0).nonzero().max()) + 1]
        states, embedded = model.memory_states(row[None])[0].double(), model.get_input_embeddings()(row).double()
        unit = lambda x: x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()  # noqa: E731
        states, expected = unit(states), torch.zeros(HIDDEN, dtype=torch.double)
        normed = unit(before) * layer.memory_norm.weight.double()
        for head in range(2):
            part = slice(8 * head, 8 * head + 8)
            query = fusion.query.weight.double()[part] @ normed
            scores = [query @ fusion.silent_key.double()[head] / math.sqrt(8)]
            for place, state in enumerate(states):
                key = fusion.key.weight.double()[part] @ state
                key = key + (fusion.previous_key.weight.double()[part] @ states[place - 1] if place else 0)
                scores.append(query @ key / math.sqrt(8))
            shares = torch.stack(scores).softmax(0)[1:]
            expected += (shares[:, None] * unit(embedded)).sum(0) * fusion.gain.double()[head]
        expected *= outputs.memory_alphas[0][0, 5].double() * before.square().mean().sqrt()
        assert added[0, 5].any()
        assert_equal_but_for_rounding(added[0, 5], expected.float(), HIDDEN, 8)

    def test_a_large_bank_is_searched_by_cells(self) -> None:
        """All cells looked into find what comparing all keys does; a few find a part of it, and that exactly."""
        model = gated(knowledge_num=5041, num_candidates=71)
        rows = rows_of(1600)
        model.memory_bank[:1600] = rows
        bank, base = model.base_model.memory, model.base_model
        bank.refresh(base, gates(model)[0])
        queries = torch.nn.functional.normalize(
            bank.keys[:64] + 0.2 * torch.randn(64, 8, generator=torch.Generator().manual_seed(5)), dim=-1
        )
        cosines = (queries @ bank.keys.T).masked_fill(~bank.filled, -1)
        exact = cosines.max(-1)
        similarities, found = bank.find(queries, 71, 2)
        is_found = similarities > -1
        assert is_found[:, 0].float().mean() > 0.9 and (found[~is_found] == 0).all()
        assert_equal_but_for_rounding(similarities[is_found], cosines.gather(-1, found)[is_found], HIDDEN)
        assert (similarities[:, 0] >= similarities[:, 1]).all() and (found[:, 0] != found[:, 1])[
            is_found.all(-1)
        ].all()
        assert (similarities[:, 0] >= exact.values - 1e-6).float().mean() > 0.6
        assert sorted(bank.cells.order.tolist()) == list(range(1600))  # each row is in one cell

    def test_a_row_that_is_written_moves_to_its_cell_and_the_centres_stay(self) -> None:
        model = gated(knowledge_num=5041, num_candidates=71)
        model.memory_bank[:1600] = rows_of(1600)
        bank, base, gate = model.base_model.memory, model.base_model, gates(model)[0]
        bank.refresh(base, gate)
        bank.find(bank.keys[:1], 71, 1)
        centres, new = bank.cells.centres.clone(), rows_of(2, seed=9)
        model.write_memory(torch.tensor([3, 4000, 7]), torch.cat([new, torch.zeros_like(new[:1])]))
        bank.refresh(base, gate)
        similarities, found = bank.find(bank.keys[[3, 4000]], 71, 1)
        assert found[:, 0].tolist() == [3, 4000]
        assert_equal_but_for_rounding(similarities[:, 0], torch.ones(2), HIDDEN)
        assert torch.equal(bank.cells.centres, centres)
        assert sorted(bank.cells.order.tolist()) == sorted({*range(1600), 4000} - {7})

    def test_several_rows_are_read_together(self) -> None:
        one, two = (gated(is_open=True, num_selected=number) for number in (1, 2))
        ids = tokens(one.config)
        with torch.no_grad():
            first, both = (each(ids, output_memory=True) for each in (one, two))
        assert both.memory_rows[0].shape == (BATCH, LENGTH, 2)
        assert torch.equal(both.memory_rows[0][..., :1], first.memory_rows[0])
        assert (both.memory_rows[0][..., 0] != both.memory_rows[0][..., 1]).all()
        assert not torch.equal(both.logits, first.logits)

    def test_what_was_not_found_is_not_read(self) -> None:
        """Where fewer rows are found than are read, the others are row 0, which does not count as found."""
        one, four = (gated(is_open=True, num_selected=number) for number in (1, 4))
        ids = tokens(one.config)
        for model in (one, four):
            model.memory_bank[1:] = 0
        with torch.no_grad():
            alone, among = (each(ids, output_memory=True) for each in (one, four))
        assert not among.memory_rows[0].any() and (among.memory_alphas[0] > 0.5).any()
        assert_equal_but_for_rounding(among.logits, alone.logits, HIDDEN)
        found, rows = four.base_model.memory.find(torch.ones(1, 8), 4, 4)
        assert (found[0, 1:] == -1).all() and not rows.any()

    def test_a_named_row_is_read_in_full(self) -> None:
        model = gated()
        with torch.no_grad():
            outputs = model(tokens(model.config), memory_targets=told(model), output_memory=True)
        rows, alphas = outputs.memory_rows[0], outputs.memory_alphas[0]
        assert (rows[0, 4:8, 0] == 5).all() and (alphas[0, 4:8] == 1).all()
        assert (alphas[0, :4] < 1).all()


class TestOriginal:
    """The original design, worked out by hand: product keys, choice, alpha and mix."""

    def test_product_keys_find_what_comparing_all_rows_does(self) -> None:
        gate = gates(gated(memory_design="original"))[0]
        normed = torch.randn(3, 5, HIDDEN, generator=torch.Generator().manual_seed(6))
        rows, log_probabilities = gate.found(normed, 4)
        first, second = gate.gate_proj(normed).chunk(2, dim=-1)
        scores = (first @ gate.keys[0].T)[..., :, None] + (second @ gate.keys[1].T)[..., None, :]
        best = scores.flatten(-2).topk(4, dim=-1)
        assert torch.equal(rows, best.indices)  # row i * root + j
        assert_equal_but_for_rounding(log_probabilities, best.values.log_softmax(-1), HIDDEN)

    @pytest.mark.parametrize("number", [1, 2])
    @pytest.mark.parametrize("alpha", ["monotone", "mlp", "linear"])
    def test_a_layer_adds_what_is_worked_out(self, alpha: str, number: int) -> None:
        model = gated(
            is_open=True, memory_design="original", memory_alpha=alpha, num_selected=number, memory_layers=[0]
        )
        ids, [gate], [fusion] = tokens(model.config), gates(model), fusions(model)
        with torch.no_grad(), watched([fusion]) as calls:
            outputs = model(ids, output_memory=True)
        normed, added = calls[0][0], calls[0][1]
        candidates, log_probabilities = gate.found(normed, 4)
        embedded = model.get_input_embeddings()
        for place in range(LENGTH):
            u = normed[0, place].double()
            means = []
            for row in candidates[0, place]:
                own = model.memory_bank[row]
                own = own[own != 0]
                means.append(embedded(own).double().mean(0) if len(own) else None)
            cosines = [u @ m / (u.norm() * m.norm()) if m is not None else None for m in means]
            known = [index for index, m in enumerate(means) if m is not None]
            logits = {index: cosines[index] + log_probabilities[0, place, index].double() for index in known}
            order = sorted(known, key=lambda index: -logits[index])[:number]
            if len(order) < number:
                continue
            assert outputs.memory_rows[0][0, place].tolist() == candidates[0, place][order].tolist()
            similarity = sum(cosines[index] for index in order) / number
            expected = self.alpha(fusion, similarity, alpha)
            assert outputs.memory_alphas[0][0, place].item() == pytest.approx(expected, abs=1e-4)
            both = torch.cat([u, *(means[index] for index in order)])
            gate_proj, up, down = (
                getattr(fusion, name).weight.double() for name in ("gate_proj", "up_proj", "down_proj")
            )
            hidden = gate_proj @ both
            mixed = down @ (hidden * hidden.sigmoid() * (up @ both))
            assert_equal_but_for_rounding(added[0, place], (expected * mixed).float(), HIDDEN, 8)

    @staticmethod
    def alpha(fusion: Any, similarity: torch.Tensor, mode: str) -> float:
        """How much is written, by hand."""
        if mode == "linear":
            return min(max(similarity.item(), 0), 1)
        if mode == "monotone":
            slope = math.log1p(math.exp(fusion.alpha_slope.item()))
            return 1 / (1 + math.exp(-slope * (similarity.item() - fusion.alpha_threshold.item())))
        first, second = fusion.similarity_gate[0].weight.double(), fusion.similarity_gate[2].weight.double()
        hidden = first @ similarity[None]
        return (second @ (hidden * hidden.sigmoid())).sigmoid().item() + fusion.memory_weight_bias.item()

    def test_alpha_grows_with_similarity(self) -> None:
        fusion = fusions(gated(memory_design="original"))[0]
        alphas = fusion.alphas(torch.linspace(-1, 1, 41))
        assert (alphas.diff() > 0).all() and alphas[20] < 0.01 and alphas[-1] > 0.99 and alphas[0] >= 0

    def test_evaluation_is_the_same_twice_and_training_is_drawn(self) -> None:
        model = gated(is_open=True, memory_design="original")
        ids = tokens(model.config)
        with torch.no_grad():
            assert torch.equal(model(ids).logits, model(ids).logits)
            model.train()
            drawn = []
            for seed in (0, 0, 1, 2, 3):
                torch.manual_seed(seed)
                drawn.append(model(ids, output_memory=True).memory_rows)
        assert all(torch.equal(*each) for each in zip(drawn[0], drawn[1]))
        assert any(not torch.equal(drawn[0][0], other[0]) for other in drawn[2:])

    def test_losses_are_worked_out_by_hand_without_padding(self) -> None:
        model = gated(memory_design="original", diversity_mode="uniform", memory_layers=[0])
        [gate], inputs = gates(model), padded_batch(model.config)
        with torch.no_grad(), watched([gate]) as calls:
            losses = model(**inputs, labels=inputs["input_ids"]).aux_loss
        normed = calls[0][0]
        candidates, log_probabilities = gate.found(normed, 4)
        similar, diverse = [], []
        embedded = model.get_input_embeddings().weight.double()
        for sample in range(BATCH):
            for place in range(LENGTH):
                if not inputs["attention_mask"][sample, place]:
                    continue
                means = []
                for row in candidates[sample, place]:
                    own = model.memory_bank[row][model.memory_bank[row] != 0]
                    means.append(embedded[own].mean(0) if len(own) else torch.zeros(HIDDEN, dtype=torch.double))
                u, means = normed[sample, place].double(), torch.stack(means)
                filled = means.any(-1)
                if not filled.any():
                    continue
                cosines = torch.nn.functional.cosine_similarity(u, means)
                logits = (cosines + log_probabilities[sample, place]).masked_fill(~filled, -1e4)
                similar.append(cosines[logits.argmax()])
                units = torch.nn.functional.normalize(means, dim=-1)
                pairs = units @ units.T
                diverse.append((pairs.sum() - pairs.diagonal().sum()) / 12)
        assert losses["similarity_loss"].item() == pytest.approx(-torch.stack(similar).mean().item(), abs=1e-5)
        assert losses["diversity_loss"].item() == pytest.approx(torch.stack(diverse).mean().item(), abs=1e-5)

    def test_a_checkpoint_of_the_original_loads(self) -> None:
        fields = {"memory_design": "original", "memory_alpha": "mlp"}
        model = gated(is_open=True, **fields)
        old = {}
        for name, weight in model.state_dict().items():
            name = name.removeprefix("model.").replace("memory.memory_bank", "memory_bank")
            if name.startswith("layers.") and not any(mark in name for mark in MARKS):
                layer, _, rest = name.removeprefix("layers.").partition(".")
                name = f"layers.{layer}.qwen3_decoder.{rest}"
            old[name] = weight
        old |= {"tok_embeddings.weight": torch.zeros(1), "freeze_mask": torch.zeros(1)}
        new = type(model).load_explicit_lm(old)
        assert new.keys() == model.state_dict().keys()
        assert all(torch.equal(new[name], weight) for name, weight in model.state_dict().items())
        with pytest.raises(ValueError, match="`memory_bank` is torch.float32"):
            type(model).load_explicit_lm({"memory_bank": torch.zeros(4, 2)})

    def test_low_rank_maps_are_smaller(self) -> None:
        whole, low = (gated(memory_design="original", memory_rank=rank) for rank in (None, 2))
        assert (
            sum(map(torch.numel, gate_weights(low).values())) < sum(map(torch.numel, gate_weights(whole).values())) / 2
        )
        base, model = pair(memory_design="original", memory_rank=2)
        assert torch.equal(model(tokens(model.config)).logits, base(tokens(model.config)).logits)


class TestOutputs:
    """What was read is returned where it is asked for, from every head, and only there."""

    @pytest.mark.parametrize("design", DESIGNS)
    @pytest.mark.parametrize("model_class", BASES)
    def test_every_head_returns_what_was_read(self, model_class: type, design: str) -> None:
        model = gated(model_class, memory_design=design)
        with torch.no_grad():
            outputs = model(**padded_batch(model.config), output_memory=True)
        assert len(outputs.memory_rows) == len(outputs.memory_alphas) == len(gates(model)) > 0
        for rows, alphas in zip(outputs.memory_rows, outputs.memory_alphas, strict=True):
            assert rows.shape == (BATCH, LENGTH, 1) and rows.min() >= 0 and rows.max() < 64
            assert alphas.shape == (BATCH, LENGTH) and alphas.min() >= 0 and alphas.max() <= 1

    def test_nobody_asks(self) -> None:
        model = gated()
        with torch.no_grad():
            outputs = model(**padded_batch(model.config))
        assert outputs.memory_rows is outputs.memory_alphas is outputs.memory_stats is outputs.aux_loss is None

    def test_the_configuration_asks_and_the_argument_decides(self) -> None:
        inputs = padded_batch(config())
        for says, model in ((True, gated(output_memory=True)), (False, gated())):
            with torch.no_grad():
                assert (model(**inputs).memory_rows is not None) == says
                assert (model(**inputs, output_memory=not says).memory_rows is not None) != says

    @pytest.mark.parametrize("design", DESIGNS)
    def test_statistics_count_what_was_found(self, design: str) -> None:
        model = gated(is_open=True, memory_design=design)
        with torch.no_grad():
            outputs = model(tokens(model.config), output_memory=True)
        found = torch.cat([rows[rows < ROWS] for rows in outputs.memory_rows])  # the others are empty
        alphas = torch.cat([each.flatten() for each in outputs.memory_alphas])
        stats = outputs.memory_stats
        assert stats["coverage_rate"].item() == pytest.approx(len(set(found.tolist())) / 64)
        assert stats["hot_rows"] == sum(10 * found.tolist().count(row) >= len(found) for row in set(found.tolist()))
        assert stats["mean_alpha"].item() == pytest.approx(alphas.mean().item())
        assert stats["read_rate"].item() == pytest.approx((alphas > 0.5).float().mean().item())

    @pytest.mark.parametrize("design", DESIGNS)
    def test_nothing_is_found_in_an_empty_bank(self, design: str) -> None:
        model = gated(is_open=True, memory_design=design)
        model.memory_bank.zero_()
        with torch.no_grad():
            stats = model(tokens(model.config), output_memory=True).memory_stats
        assert stats["coverage_rate"] == stats["hot_rows"] == stats["read_rate"] == 0

    def test_a_tuple_holds_them_as_well(self) -> None:
        model = gated()
        with torch.no_grad():
            whole, given = model(tokens(model.config)), model(tokens(model.config), return_dict=False)
        assert isinstance(given, tuple) and torch.equal(given[0], whole.logits)


class TestTraining:
    """Gradients reach all gates and, with a frozen backbone, nothing else."""

    @pytest.mark.parametrize("design", DESIGNS)
    def test_the_gates_alone_are_trained(self, design: str) -> None:
        model = gated(is_open=True, memory_design=design).train()
        model.freeze_backbone()
        assert {name for name, weight in model.named_parameters() if weight.requires_grad} == set(gate_weights(model))
        ids = tokens(model.config)
        model(ids, labels=ids, memory_targets=told(model)).loss.backward()
        for name, weight in model.named_parameters():
            assert (weight.grad is not None) == (name in gate_weights(model))
            assert weight.grad is None or (weight.grad.isfinite().all() and weight.grad.any()), name

    @pytest.mark.parametrize("design", DESIGNS)
    def test_the_loss_is_the_sum_of_all(self, design: str) -> None:
        model = gated(memory_design=design, retrieval_loss_coef=0.5, similarity_loss_coef=2.0, diversity_loss_coef=3.0)
        ids, targets = tokens(model.config), told(model)
        torch.manual_seed(0)
        outputs = model(ids, labels=ids, memory_targets=targets)
        assert outputs.lm_loss.item() == pytest.approx(cross_entropy_by_hand(outputs.logits, ids), abs=1e-5)
        names = ("retrieval_loss",) if design == "content" else ("similarity_loss", "diversity_loss")
        assert tuple(outputs.aux_loss) == names
        weights = {"retrieval_loss": 0.5, "similarity_loss": 2.0, "diversity_loss": 3.0}
        wanted = outputs.lm_loss + sum(weights[name] * outputs.aux_loss[name] for name in names)
        assert outputs.loss.item() == pytest.approx(wanted.item(), abs=1e-5)

    def test_the_retrieval_loss_is_worked_out_by_hand(self) -> None:
        model = gated(is_open=True, memory_negatives=2000)  # all rows are among those that it tells apart
        ids, targets, gate = tokens(model.config), told(model), gates(model)[0]
        with torch.no_grad():
            loss = model(ids, memory_targets=targets).aux_loss["retrieval_loss"].item()
            keys = model.memory_keys(rows_of(ROWS)).double()
            states = model.memory_states(ids).double()
            weights = gate.row_weights.weight + gate.query_weights.weight
            scale, null = math.exp(gate.log_scale.item()), gate.null_similarity.item()
            choices = []
            for sample, end in ((0, 5), (1, 7)):
                query = TestContent.pool(gate, states[sample, :end], weights)
                choices.append(scale * torch.cat([keys @ query, torch.tensor([null], dtype=torch.double)]))
            found, lacking = choices
            expected = -found.log_softmax(0)[5]
            expected = (
                expected - 0.5 * torch.cat([found[:5], found[6:]]).log_softmax(0)[-1] - lacking.log_softmax(0)[-1]
            )
        assert loss == pytest.approx(expected.item(), abs=1e-4)

    def test_kept_states_give_the_same_retrieval_loss(self) -> None:
        model = gated(is_open=True, memory_negatives=2000)
        inputs, targets = padded_batch(model.config, "right"), told(model)
        targets[1, 6:] = -100
        targets[1, 4] = -1
        loss = model(**inputs, memory_targets=targets).aux_loss["retrieval_loss"]
        states = model.memory_states(**inputs)
        kept = model.retrieval_loss(states, targets, inputs["attention_mask"])
        assert_equal_but_for_rounding(kept, loss, HIDDEN)

    def test_a_bank_is_learned_to_be_read(self) -> None:
        """With its gates alone a model learns to say what the row that it is told to read begins with."""
        model = gated().train()
        model.freeze_backbone()
        ids, targets = tokens(model.config), told(model)
        labels = torch.full_like(ids, -100)
        labels[0, 5:9] = model.memory_bank[5, 0]
        optimizer, losses = torch.optim.AdamW(gate_weights(model).values(), lr=0.1), []
        for _ in range(20):
            outputs = model(ids, labels=labels, memory_targets=targets)
            losses.append(outputs.lm_loss.item())
            optimizer.zero_grad()
            outputs.loss.backward()
            optimizer.step()
        assert losses[-1] < 0.95 * losses[0]


class TestSaveLoad:
    """What is saved comes back, bank included; what is missing is made new."""

    @pytest.mark.parametrize("design", DESIGNS)
    @pytest.mark.parametrize("model_class", BASES)
    def test_saved_models_come_back(self, model_class: type, design: str, tmp_path: Path) -> None:
        model = gated(model_class, is_open=True, memory_design=design)
        model.save_pretrained(tmp_path)
        again, info = model_class.from_pretrained(tmp_path, attn_implementation="eager", output_loading_info=True)
        assert not any(info.values())
        assert all(torch.equal(again.state_dict()[name], value) for name, value in model.state_dict().items())
        inputs = padded_batch(model.config)
        assert_equal_but_for_rounding(tensors(again(**inputs)), tensors(model(**inputs)), HIDDEN)

    @pytest.mark.parametrize("design", DESIGNS)
    def test_a_checkpoint_of_the_base_lacks_the_memory_alone(self, design: str, tmp_path: Path) -> None:
        base = seeded(GptOssForCausalLM, base_config())
        base.save_pretrained(tmp_path)
        options = {**MEMORY, "memory_design": design, "attn_implementation": "eager"}
        model, info = MemoryGateGptOssForCausalLM.from_pretrained(tmp_path, output_loading_info=True, **options)
        assert info["missing_keys"] == set(gate_weights(model)) | {bank_name(model)} and not info["unexpected_keys"]
        assert not model.memory_bank.any() and all(weight.isfinite().all() for weight in gate_weights(model).values())
        fresh = gated(memory_design=design)
        for name, weight in gate_weights(model).items():  # as the constructor makes them
            assert abs(weight.float().mean() - gate_weights(fresh)[name].float().mean()) < 0.4, name
        model.memory_bank[:ROWS] = rows_of(ROWS)
        inputs = padded_batch(model.config)
        expected, actual = (lay_out_anew(each.eval())(**inputs) for each in (base, model))
        assert torch.equal(actual.logits, expected.logits)

    def test_gates_stay_in_float32(self, tmp_path: Path) -> None:
        model = gated(is_open=True)
        model.save_pretrained(tmp_path)
        again = MemoryGateGptOssForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
        for name, weight in gate_weights(again).items():
            assert weight.dtype == torch.float32 and torch.equal(weight, gate_weights(model)[name])
        assert again(tokens(model.config)).logits.isfinite().all()

    @pytest.mark.parametrize("design", DESIGNS)
    def test_gates_are_saved_alone(self, design: str, tmp_path: Path) -> None:
        model, other = gated(is_open=True, memory_design=design), gated(memory_design=design)
        model.save_memory_gates(tmp_path)
        assert [each.name for each in tmp_path.iterdir()] == ["memory_gates.safetensors"]
        other.load_memory_gates(tmp_path)
        assert all(torch.equal(weight, gate_weights(model)[name]) for name, weight in gate_weights(other).items())
        wider = gated(memory_design=design, knowledge_dim=16)
        with pytest.raises(ValueError, match="in the file, and .* in the model"):
            wider.load_memory_gates(tmp_path)

    def test_models_can_be_built_without_memory(self) -> None:
        with torch.device("meta"):
            base, model = GptOssForCausalLM(base_config()), MemoryGateGptOssForCausalLM(config())
        held = [sum(not weight.is_meta for weight in each.parameters()) for each in (base, model)]
        assert held[1] == held[0] < len(list(base.parameters()))

    def test_copies_are_of_their_own(self) -> None:
        model = gated(is_open=True)
        ids = tokens(model.config)
        with torch.no_grad():
            before = model(ids).logits
            copy = deepcopy(model)
            copy.memory_bank.fill_(0)
            assert not torch.equal(copy(ids).logits, before)
            assert torch.equal(model(ids).logits, before)


class TestAttention:
    """Every attention and every padding gives the same, and no token sees a later one."""

    @pytest.mark.parametrize("design", DESIGNS)
    @pytest.mark.parametrize(
        "attention",
        [pytest.param("sdpa", marks=pytest.mark.skip(reason="GptOss declares no support for sdpa"))],
    )
    def test_kinds_of_attention_agree(self, attention: str, design: str) -> None:
        fields = {"is_open": True, "memory_design": design}
        eager, other = (gated(attn_implementation=each, **fields) for each in ("eager", attention))
        inputs = padded_batch(eager.config)
        real = inputs["attention_mask"].bool()
        with torch.no_grad():
            expected, actual = (model(**inputs).logits[real] for model in (eager, other))
        assert_equal_but_for_rounding(actual, expected, HIDDEN, 8)

    @pytest.mark.parametrize("design", DESIGNS)
    def test_padding_is_as_good_as_nothing(self, design: str) -> None:
        model = gated(is_open=True, memory_design=design)
        inputs, real = padded_batch(model.config), slice(PADDING, None)
        short = {name: values[1:, real] for name, values in inputs.items()}
        with torch.no_grad():
            padded = model(**inputs, position_ids=positions_of(inputs), output_memory=True)
            bare = model(**short, position_ids=positions_of(short), output_memory=True)
        assert_equal_but_for_rounding(padded.logits[1:, real], bare.logits, HIDDEN, 8)
        for with_padding, without in zip(padded.memory_rows, bare.memory_rows, strict=True):
            assert torch.equal(with_padding[1:, real], without)

    @pytest.mark.parametrize("design", DESIGNS)
    def test_no_token_sees_a_later_one(self, design: str) -> None:
        model = gated(is_open=True, memory_design=design)
        ids = tokens(model.config)
        other = ids.clone()
        other[:, 5:] = ids[:, 5:].flip(0)
        with torch.no_grad():
            one, another = (model(each, output_memory=True) for each in (ids, other))
        assert_equal_but_for_rounding(one.logits[:, :5], another.logits[:, :5], HIDDEN)
        assert not torch.equal(one.logits[:, 5:], another.logits[:, 5:])
        assert all(torch.equal(*(each[:, :5] for each in both)) for both in zip(one.memory_rows, another.memory_rows))


class TestGeneration:
    """A memory generates the same with a cache and without; a new one generates the base's tokens."""

    @pytest.mark.parametrize("design", DESIGNS)
    def test_a_cache_gives_what_a_whole_pass_gives(self, design: str) -> None:
        model = gated(is_open=True, memory_design=design)
        ids, cache, steps = tokens(model.config), None, []
        with torch.no_grad():
            whole = model(ids, use_cache=False, output_memory=True)
            for place in range(LENGTH):
                steps.append(model(ids[:, place : place + 1], cache=cache, use_cache=True, output_memory=True))
                cache = steps[-1].cache
        assert_equal_but_for_rounding(torch.cat([step.logits for step in steps], 1), whole.logits, HIDDEN, 8)
        assert torch.equal(torch.cat([step.memory_rows[0] for step in steps], 1), whole.memory_rows[0])

    def test_a_cache_of_the_base_is_refused(self) -> None:
        base, model = pair()
        ids = tokens(model.config)
        with torch.no_grad():
            cache = base(ids[:, :5], use_cache=True).cache
            with pytest.raises(ValueError, match="filled by a model without memory gates"):
                model(ids[:, 5:], cache=cache)

    @pytest.mark.parametrize(
        "way",
        ["greedy", "beams", "sampled", "uncached", "static cache"],
    )
    def test_texts_equal_the_bases(self, way: str) -> None:
        base, model = pair()
        texts = []
        for each in (base, model):
            torch.manual_seed(0)
            texts.append(each.generate(**padded_batch(model.config), **{**GREEDY, **WAYS_TO_GENERATE[way]}))
        assert texts[0].shape == (BATCH, LENGTH + GREEDY["max_new_tokens"])
        assert torch.equal(texts[1], texts[0])

    @pytest.mark.parametrize("way", ["greedy", "beams", "static cache"])
    @pytest.mark.parametrize("design", DESIGNS)
    def test_models_that_read_generate_alike_with_a_cache_and_without(self, design: str, way: str) -> None:
        model = gated(is_open=True, memory_design=design)
        inputs, options = padded_batch(model.config), {**GREEDY, **WAYS_TO_GENERATE[way]}
        if way == "beams":
            cached, uncached = (model.generate(**inputs, **options, use_cache=each) for each in (True, False))
            assert torch.equal(cached, uncached)
        else:
            uncached = model.generate(**inputs, **GREEDY, **WITH_LOGITS, use_cache=False)
            assert_equal_but_for_ties(model.generate(**inputs, **options), uncached, HIDDEN)
