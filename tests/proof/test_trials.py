"""Models that are wrong on purpose, each in its way, and what is found of them; a right one, of which nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from building.cache import Cache
from diagnostics.errors import ConversionError
from proof.judge import judge
from proof.running import ProofSetting, Release, try_all
from proof.values import BASE, PROCESS, FindingKind, Proof, Verdict
from toys import OLD_KEYWORD, TOYS, make_toy_release, toy_texts


CALLS = {"one pass", "pass with scores", "cached step", "cached step with a mask", "padded generate", "backward"}
CALLS |= {"pass as a tuple", "old keyword past_key_values="}  # which bases of 5.24.0 still accept


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return Release.at(make_toy_release(tmp_path_factory.mktemp("release")))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def proofs(release: Release, cache: Cache) -> dict[str, Proof]:
    """The proof of every toy, by the name of its base."""
    texts = toy_texts()
    found = list(try_all(list(texts), texts, "", release, ProofSetting(2, cache)))
    assert not any(kept for *_, kept in found)
    return {name.removeprefix("quality_gate_"): judge(name, trial) for name, trial, _ in found}


def seen(proof: Proof) -> dict[str, FindingKind]:
    return {one.check: one.kind for one in proof.findings}


def test_every_toy_is_judged(proofs: dict[str, Proof]) -> None:
    assert set(proofs) == set(TOYS)
    assert all(one.remedy and one.what for proof in proofs.values() for one in proof.findings)


def test_a_right_model_is_right_in_every_check(proofs: dict[str, Proof]) -> None:
    right = proofs["llama"]
    assert (right.verdict, right.findings) == (Verdict.RIGHT, ())
    assert set(right.checks) >= CALLS | {"import", "one pass of Model", "one pass of ForSequenceClassification"}
    assert "one pass of Model as a tuple" in right.checks
    assert set(right.checks.values()) == {"right"}


def test_other_logits_differ_and_the_head_is_to_blame(proofs: dict[str, Proof]) -> None:
    found = proofs["mistral"]
    assert found.verdict is Verdict.DIFFERS
    assert seen(found) == dict.fromkeys(CALLS, FindingKind.DIFFERS)
    first = next(one for one in found.findings if one.check == "one pass")
    assert first.where == "QualityGateMistralForCausalLM.forward"
    assert first.what.startswith("logits differs in ")


def test_another_cached_step_differs_there_alone(proofs: dict[str, Proof]) -> None:
    found = proofs["qwen3"]
    assert found.verdict is Verdict.DIFFERS
    assert found.checks["one pass"] == found.checks["backward"] == "right"
    assert set(seen(found)) <= {
        "cached step",
        "cached step with a mask",
        "padded generate",
        "old keyword past_key_values=",
    }
    steps = {one.check: one for one in found.findings}
    assert steps["cached step"].what.startswith("step.logits differs")
    assert steps["cached step"].where == "QualityGateQwen3Model.forward of model"


@pytest.mark.parametrize(
    ("model", "what"), [("helium", "log: toys are not warranted"), ("gemma", "FutureWarning: a toy")]
)
def test_a_warning_of_its_own_is_told_once_with_its_place(proofs: dict[str, Proof], model: str, what: str) -> None:
    found = proofs[model]
    assert found.verdict is Verdict.WARNS
    assert [(one.check, one.what) for one in found.findings] == [("one pass", what)]
    assert f"ForCausalLM.forward (modeling_quality_gate_{model}.py:" in found.findings[0].where
    assert {found.checks[check] for check in CALLS} == {"warns"}


def test_what_the_base_answers_and_it_does_not_is_refused(proofs: dict[str, Proof]) -> None:
    found = proofs["olmo2"]
    assert found.verdict is Verdict.REFUSED
    assert seen(found) == {"cached step with a mask": FindingKind.RAISES, "padded generate": FindingKind.RAISES}
    assert {one.what for one in found.findings} == {"ValueError: a toy takes no such mask"}
    assert found.checks["cached step"] == "right"


def test_what_cannot_be_imported_is_refused(proofs: dict[str, Proof]) -> None:
    found = proofs["phi"]
    assert found.verdict is Verdict.REFUSED
    assert found.checks == {"import": "raises"}
    assert found.findings[0].what == "ModuleNotFoundError: No module named 'transformers.nowhere'"
    assert "modeling_quality_gate_phi.py:" in found.findings[0].where


def test_a_process_that_dies_is_one_models_own(proofs: dict[str, Proof]) -> None:
    assert proofs["granite"].verdict is Verdict.REFUSED
    assert seen(proofs["granite"]) == {PROCESS: FindingKind.RAISES}


def test_a_model_that_is_too_big_takes_nothing_else_down(proofs: dict[str, Proof]) -> None:
    assert proofs["smollm3"].verdict is Verdict.REFUSED
    assert "memory" in proofs["smollm3"].findings[0].what


def test_other_gradients_differ(proofs: dict[str, Proof]) -> None:
    assert seen(proofs["starcoder2"]) == {"backward": FindingKind.DIFFERS}


def test_scores_that_change_something_differ(proofs: dict[str, Proof]) -> None:
    assert seen(proofs["exaone4"]) == {"pass with scores": FindingKind.DIFFERS}


def test_a_head_that_returns_no_tuple_where_its_base_does_differs(proofs: dict[str, Proof]) -> None:
    [found] = proofs["stablelm"].findings
    assert (found.check, found.kind) == ("pass as a tuple", FindingKind.DIFFERS)
    assert found.what == "with `return_dict=False` it gives no tuple"


def test_weights_that_are_no_gates_are_refused(proofs: dict[str, Proof]) -> None:
    found = proofs["olmo"]
    assert found.verdict is Verdict.REFUSED
    assert "its base lacks model.layers.0.extra.bias" in found.findings[0].what


def test_an_old_keyword_of_the_base_has_to_give_the_same(proofs: dict[str, Proof]) -> None:
    found = proofs["cohere"]
    assert OLD_KEYWORD in seen(found), found
    assert "let QualityGateCohereForCausalLM.forward accept the old name `kv`" in found.findings[0].remedy
    assert {found.checks[check] for check in CALLS} == {"right"}


def test_a_base_that_gives_no_numbers_proves_nothing(proofs: dict[str, Proof]) -> None:
    found = proofs["glm"]
    assert found.verdict is Verdict.REFUSED
    assert ("one pass", BASE, "it gives no numbers") in [(one.check, one.where, one.what) for one in found.findings]
    left_out = "left out, the base fails: it gives no numbers"
    assert {found.checks[check] for check in CALLS - {"one pass", "backward"}} == {left_out}


def test_a_release_is_known_by_every_file_also_behind_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.py").write_text("X = 1\n")
    (tmp_path / "transformers").mkdir()
    (tmp_path / "transformers" / "models").symlink_to(tmp_path / "real")
    before = Release.at(tmp_path / "transformers")
    assert Release.at(tmp_path / "transformers") == before
    (tmp_path / "real" / "x.py").write_text("X = 2\n")
    assert Release.at(tmp_path / "transformers") != before


@pytest.fixture
def asked(proofs: dict[str, Proof], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that later runs ask a process to try; none is started."""
    names: list[str] = []

    def record(module: str, asked: dict[str, Any], *_: object) -> Iterator[str]:
        names.extend(asked["names"])
        yield from asked["names"]

    monkeypatch.setattr("proof.running.served", record)
    return names


def test_what_was_found_is_kept_and_what_died_is_tried_again(
    proofs: dict[str, Proof], release: Release, cache: Cache, asked: list[str]
) -> None:
    texts = toy_texts()
    again = {
        name: judge(name, trial)
        for name, trial, kept in try_all(list(texts), texts, "", release, ProofSetting(1, cache))
        if kept
    }
    assert asked == ["quality_gate_granite"]
    assert again == {one.model: one for one in proofs.values() if one.model not in asked}


def test_another_text_or_release_is_tried_anew(release: Release, cache: Cache, asked: list[str]) -> None:
    texts = toy_texts()
    names = ["quality_gate_llama", "quality_gate_mistral"]
    texts[names[1]] = {file: f"{text}\n" for file, text in texts[names[1]].items()}
    assert [kept for *_, kept in try_all(names, texts, "", release, ProofSetting(1, cache))] == [True, False]
    assert asked == names[1:]
    assert not any(
        kept for *_, kept in try_all(names, texts, "", Release(release.package, "x"), ProofSetting(1, cache))
    )
    assert not any(kept for *_, kept in try_all(names, texts, "# above\n", release, ProofSetting(1, cache)))
    assert not any(kept for *_, kept in try_all(names, texts, "", release, ProofSetting(1)))


def test_a_release_that_cannot_be_imported_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "transformers"
    package.mkdir()
    (package / "__init__.py").write_text('raise ImportError("of this Python, no")\n')
    texts = {"quality_gate_llama": toy_texts()["quality_gate_llama"]}
    with pytest.raises(ConversionError) as told:
        list(try_all(list(texts), texts, "", Release.at(package), ProofSetting(1)))
    problem = told.value.diagnostics[0]
    assert problem.code == "no-proof"
    assert "ImportError: of this Python, no" in problem.message
