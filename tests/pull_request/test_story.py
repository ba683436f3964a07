"""What a page and a body say of a model: counted by hand on a toy, held to the facts of the gated Llama."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from exported_llama import TODAY, export, exported_tree
from pull_request.difference import Change, changes, lines_saved
from pull_request.layout import configuration_path, modeling_path, modular_path, page_name
from pull_request.page import badges, render_page
from pull_request.shared import page_of, page_of_base
from pull_request.validation import checkers, run


def test_only_what_differs_is_counted() -> None:
    rows = {(row.place, row.part): row for row in changes(export().facts, exported_tree())}
    layer = "`QualityGateLlamaDecoderLayer`"
    made = "`self.quality_gate = QualityGateLlamaGate(config)`, `self.scale_ffn = config.quality_gate_mode == 'scale_ffn'`"
    assert rows[layer, "`__init__`"] == Change(layer, "`__init__`", 2, 0, made)
    assert rows["`QualityGateLlamaGate`", "new class"].removed == 0
    assert not any(place in ("`QualityGateLlamaMLP`", "`QualityGateLlamaRMSNorm`") for place, _ in rows)
    head = "`QualityGateLlamaForQuestionAnswering`"
    assert rows[head, "attributes"] == Change(head, "attributes", 1, 1, "`base_model_prefix = 'model'`")
    assert rows[head, "`forward`, new"].removed == 0


def test_every_row_says_what_it_is_for() -> None:
    rows = {(row.place, row.part): row.says for row in changes(export().facts, exported_tree())}
    assert not [place for place, says in rows.items() if not says or "\n" in says or "|" in says.replace("\\|", "")]
    assert rows["module", "`named_arguments`, new"] == "All arguments of a call by their names."
    # not of its first field
    assert rows["`QualityGateLlamaOutput`", "new class"] == "What the gates add to an output."
    assert rows["`QualityGateLlamaForCausalLM`", "`forward`"].startswith("decorated: `@auto_docstring(")
    assert "`quality_gate_init_mean`, " in rows["`QualityGateLlamaConfig`", "attributes"]


def test_docstrings_comments_and_layout_do_not_count() -> None:
    facts, tree = export().facts, exported_tree()
    path = modeling_path(facts.package)
    text = tree.read(path) or ""
    talkative = text.replace(
        "        residual = hidden_states\n",
        "        # kept\n        residual = (\n            hidden_states\n        )\n",
    )
    assert talkative != text
    assert changes(facts, tree.with_changes({path: talkative})) == changes(facts, tree)


def test_lines_are_those_of_the_files() -> None:
    facts, tree = export().facts, exported_tree()
    written, generated = lines_saved(facts, tree)
    files = (configuration_path(facts.package), modeling_path(facts.package))
    assert generated == sum(len((tree.read(path) or "").splitlines()) for path in files) > written > 100


def test_badges_are_of_what_the_model_can_do() -> None:
    facts = export().facts
    assert [name for name, _ in badges(facts)] == ["FlashAttention", "SDPA", "Tensor parallelism"]
    less = replace(facts, abilities=replace(facts.abilities, flash=False, sdpa=False))
    assert [name for name, _ in badges(less)] == ["Tensor parallelism"]


def test_the_page_begins_with_its_date_and_ends_with_a_newline() -> None:
    facts = export().facts
    page = render_page(facts, exported_tree().read(configuration_path(facts.package)) or "", TODAY, "llama")
    assert f"\n-->\n*This model was contributed to Hugging Face Transformers on {TODAY}.*\n" in page
    assert page.endswith(f"[[autodoc]] {facts.models[-1].name}\n    - forward\n")
    assert '.from_pretrained("HuggingFaceTB/SmolLM2-135M"' in page


def test_checkers_are_read_off_the_tree(tmp_path: Path) -> None:
    assert checkers(tmp_path) == []
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils" / "checkers.py").write_text("A = {'a': 1}\nC = {'ruff_check': f, 'copies': g}\n")
    assert checkers(tmp_path) == ["ruff_check", "copies"]


def test_a_run_has_an_outcome_and_a_last_line(tmp_path: Path) -> None:
    done = run(tmp_path, ["-c", "import sys; print('one'); print('two'); print(); sys.exit(3)"], name="counting")
    assert (done.command, done.passed, done.last_line) == ("counting", False, "two")
    assert run(tmp_path, ["-"], "print('read')").last_line == "read"


def test_a_page_is_called_as_a_model_type() -> None:
    assert page_name("quality_gate_x", ["quality_gate_x_text", "quality_gate_x"]) == "quality_gate_x"
    assert page_name("quality_gate_x_y", ["quality_gate_x-y"]) == "quality_gate_x-y"
    facts = export().facts
    assert (page_of(facts), page_of_base(facts, exported_tree())) == ("quality_gate_llama", "llama")
    for folder, page in (("xlm_roberta", "xlm-roberta"), ("kosmos2", "kosmos-2"), ("gemma3", "gemma3")):
        assert page_of_base(replace(facts, name=folder), exported_tree()) == page


def test_a_page_says_where_gates_are_missing() -> None:
    facts = export().facts
    layer = replace(facts.layers[0], gate_is_conditional=True)
    for layers, is_said in ((facts.layers, False), ((layer,), True)):
        configuration = exported_tree().read(configuration_path(facts.package)) or ""
        page = render_page(replace(facts, layers=layers), configuration, TODAY, "llama")
        assert ("`model.quality_layers()`" in page) == is_said and "is [Llama](./llama) with" in page


def test_what_another_gated_model_has_is_not_listed_again() -> None:
    facts, tree = export().facts, exported_tree()
    package = "quality_gate_second"
    renamed = {
        place(package): (tree.read(place(facts.package)) or "")
        .replace(facts.prefix, "QualityGateSecond")
        .replace(facts.package, package)
        for place in (configuration_path, modeling_path)
    }
    renamed[modular_path(package)] = "from ..quality_gate_llama.modeling_quality_gate_llama import valid_tokens\n"
    own = "def own_of_the_second():\n    return 1\n\n\n"
    renamed[modeling_path(package)] = renamed[modeling_path(package)].replace(
        "def valid_tokens", f"{own}def valid_tokens"
    )
    second = replace(facts, package=package, prefix="QualityGateSecond")
    rows = [(row.place, row.part) for row in changes(second, tree.with_changes(renamed))]
    functions = [part for place, part in rows if place == "module"]
    assert functions == ["`own_of_the_second`, new"]
    assert ("`QualityGateSecondDecoderLayer`", "`forward`") in rows
    assert not any("Output" in place or place.endswith("Gate`") for place, _ in rows)
