"""Pull requests with other kinds of gate: what their pages, bodies and tests say, and that nothing is found in them."""

from __future__ import annotations

from functools import cache

import pytest
from exported_llama import setting
from pull_request.base_source import installed_tree
from pull_request.body import Evidence, render_body
from pull_request.exports import Bundle, bundle
from pull_request.layout import modeling_path, modular_path, page_path
from pull_request.layout import tests_path as path_of_tests
from pull_request.project import find_models
from pull_request.verify import verify


MODELS = ("attention_gate_llama", "select_gate_olmoe")
MEMORY = "memory_gate_qwen3"  # whose tests and pages have no field for how gates start
SAID = {  # by the model: what its page says, and how its examples start
    "attention_gate_llama": ("an *attention gate* in every layer that attends", 'attention_gate_init="identity"'),
    "select_gate_olmoe": ("a *select gate* on every mixture of experts", 'select_gate_init="open"'),
}


@cache
def exported(model: str) -> Bundle:
    return bundle(find_models([model]), [model], installed_tree(), setting())


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return request.param


def test_nothing_is_found_in_an_export(model: str) -> None:
    found = exported(model)
    assert found.names == [model] and not found.exports[0].warnings
    assert not list(verify(found.names, installed_tree().with_changes(found.texts), setting()))


def test_pages_and_bodies_are_about_their_kind(model: str) -> None:
    found = exported(model)
    page, (said, start) = found.texts[page_path(model)], SAID[model]
    assert said in page and "quality gate" not in page
    assert page.count(f", {start}, dtype=") == 2
    body = render_body(found.exports, installed_tree().with_changes(found.texts), Evidence(), ())
    assert start.replace('"', "") in body.replace('"', "") and "quality gate" not in body
    assert "feed-forward" not in body.partition("## Parity")[0].replace("feed_forward", "")


def test_tests_are_of_the_kind_and_start_as_the_base(model: str) -> None:
    kind = model.partition("_gate_")[0]
    text = exported(model).texts[path_of_tests(model)]
    compile(text, path_of_tests(model), "exec")
    assert f'name.endswith("{kind}_gate")' in text and f'key.endswith("{kind}_gate.gate.weight")' in text
    assert "quality_gate" not in text.replace("quality_gate_init", "")
    field, _, value = SAID[model][1].partition("=")
    assert f'"{field}": {value}' in text


def test_what_is_of_this_project_stays_here(model: str) -> None:
    texts = exported(model).texts
    written = texts[modular_path(model)] + texts[modeling_path(model)]
    for name in ("register_checkpoint_conversion_mapping", "_model_mapping.register", "rename_select_moe", "print("):
        assert name not in written


def test_nothing_is_found_in_a_model_with_memory_gates_and_the_home_of_these() -> None:
    found = exported(MEMORY)
    assert found.names == ["memory_gate_llama", MEMORY] and not any(each.warnings for each in found.exports)
    assert not list(verify(found.names, installed_tree().with_changes(found.texts), setting()))


def test_what_annotations_name_stands_above_them_in_a_model_with_memory_gates() -> None:
    found = exported("memory_gate_gemma3")
    assert not list(verify(found.names, installed_tree().with_changes(found.texts), setting()))


def test_pages_bodies_and_tests_are_about_the_memory() -> None:
    found = exported(MEMORY)
    page, text = found.texts[page_path(MEMORY)], found.texts[path_of_tests(MEMORY)]
    assert "with a *memory gate*" in page and "model.write_memory(" in page and "quality" not in page
    body = render_body(found.exports, installed_tree().with_changes(found.texts), Evidence(), ())
    assert "a bank of token sequences" in body and "quality gate" not in body
    compile(text, path_of_tests(MEMORY), "exec")
    assert "self.knowledge_num = 64" in text and "def test_the_nearest_rows_are_found(self):" in text
    assert "quality" not in text


def test_a_pull_request_with_memory_gates_has_one_design_and_classes_named_after_the_model() -> None:
    written = exported(MEMORY).texts[modeling_path(MEMORY)]
    for name in ("memory_design", "ProductKey", "SwiGLU", "load_explicit_lm", "freeze_ratio", "register_buffer"):
        assert name not in written
    classes = [line.split()[1] for line in written.splitlines() if line.startswith("class ")]
    assert all(name.startswith("MemoryGateQwen3") for name in classes)
    assert any(name.startswith("MemoryGateQwen3MemoryBank") for name in classes)
