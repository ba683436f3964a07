"""Tests that a base cannot pass itself are marked, with the reason, in its suite and in no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from facts import peculiar
from facts.entries import PeculiarError
from facts.peculiar import described_bases, peculiarities, read_peculiarities
from facts.project import GENERATED
from testgen.local import _no_flex, _no_static_cache
from testgen.skips import mark_skips
from testgen.suites import suite


SUITES = GENERATED.parent / "tests" / "models"
SUITE = """\
class TestGate:
    @pytest.mark.fast
    def test_forward(self) -> None:
        pass

    def test_forward_twice(self) -> None:
        pass
"""
SKIPPING = [base for base in described_bases() if peculiarities(base).skip]
LACKING = [base for base in described_bases() if peculiarities(base).lacks]


def rendered(base: str) -> str:
    return (SUITES / f"quality_gate_{base}" / f"test_modeling_quality_gate_{base}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("base", SKIPPING)
def test_every_entry_is_a_test_of_the_suite_that_is_skipped(base: str) -> None:
    text = rendered(base)
    for name, reason in peculiarities(base).skip.items():
        before, _, _ = text.partition(f" {name}(" if name.startswith("test_") else f"class {name}:")
        mark = before.rpartition("@pytest.mark.skip(")[2].rstrip(" def")
        assert f'reason="{reason}"' in mark and "def " not in mark, name


@pytest.mark.parametrize("base", LACKING)
def test_values_of_a_test_are_skipped_for_their_reason(base: str) -> None:
    for reason in peculiarities(base).lacks.values():
        assert f'marks=pytest.mark.skip(reason="{reason}")' in rendered(base)


def test_there_are_entries_of_both_kinds() -> None:
    assert len(SKIPPING) > 10 and len(LACKING) > 1


def told(*tests: str) -> peculiar.Peculiarities:
    text = f'[[skip]]\nwhy = "Toy goes backward"\ntests = {list(tests)}\n'
    return read_peculiarities(text, "modular/peculiar/toy.toml")


def test_a_mark_stands_before_the_test_of_that_name_alone() -> None:
    marked = mark_skips(SUITE, told("test_forward"))
    assert marked.count('    @pytest.mark.skip(reason="Toy goes backward")\n    def test_forward(self)') == 1
    assert marked.count("skip") == 1
    whole = mark_skips(SUITE, told("TestGate"))
    assert whole == '@pytest.mark.skip(reason="Toy goes backward")\n' + SUITE
    assert mark_skips(SUITE, peculiar.Peculiarities()) == SUITE


def test_an_entry_without_a_test_is_refused_at_its_line() -> None:
    with pytest.raises(PeculiarError) as refused:
        mark_skips(SUITE, told("test_forward", "test_foward_twice"))
    (found,) = refused.value.diagnostics
    assert (found.code, found.path, found.line) == ("stale-peculiarity", "modular/peculiar/toy.toml", 3)
    assert "`test_foward_twice` is not a test" in found.message and "`test_forward_twice`" in found.fix


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without peculiarities, which all rooms ask."""
    monkeypatch.setattr(peculiar, "FOLDER", tmp_path)
    return tmp_path


def llama(tmp_path: Path) -> object:
    return suite("llama", GENERATED, tmp_path / "models")


def test_a_suite_is_rendered_as_its_file_says(folder: Path) -> None:
    (plain,) = llama(folder).texts.values()
    assert plain == rendered("llama")  # Llama has no file, here as there
    (folder / "llama.toml").write_text(
        '[[tiny]]\nwhy = "heads of another size"\nfields.head_dim = 16\nnone = ["bos_token_id"]\n'
        '[[skip]]\nwhy = "Llama cannot do this"\ntests = ["test_the_seed_decides"]\n'
        '[[lacks]]\nwhy = "Llama has no such cache"\nfeatures = ["static_cache"]\n'
    )
    (text,) = llama(folder).texts.values()
    assert '"head_dim": 16,\n' in text and '"bos_token_id": None,\n' in text
    assert '@pytest.mark.skip(reason="Llama cannot do this")\n    def test_the_seed_decides' in text
    assert 'pytest.param("static cache", marks=pytest.mark.skip(reason="Llama has no such cache"))' in text


@pytest.mark.parametrize(
    ("text", "code", "line", "fix"),
    [
        (
            '[[skip]]\nwhy = "it cannot do this"\ntests = ["test_the_seed_decide"]\n',
            "stale",
            3,
            "test_the_seed_decides",
        ),
        ('[[tiny]]\nwhy = "heads of another size"\nfields.head_dims = 16\n', "stale", 3, "head_dim"),
        ("[[tiny]]\nfields.head_dim = 16\n", "no-reason", 2, "why = "),
        ("[[tiny]\n", "bad", 1, "correct this line"),
    ],
)
def test_a_file_that_does_not_fit_refuses_its_suite_alone(
    text: str, code: str, line: int, fix: str, folder: Path
) -> None:
    (folder / "llama.toml").write_text(text)
    outcome = llama(folder)
    (found,) = outcome.problems
    assert found.code.startswith(code) and found.line == line and fix in found.fix
    assert not outcome.texts and not suite("qwen3", GENERATED, folder / "models").problems


def test_a_feature_is_lacking_for_the_first_reason_there_is(folder: Path) -> None:
    from facts.project import facts_of

    (folder / "llama.toml").write_text(
        '[[lacks]]\nwhy = "it lacks it all"\nfeatures = ["flex_attention", "static_cache"]'
    )
    facts = facts_of("llama")
    assert _no_flex(facts) == _no_static_cache(facts) == "it lacks it all"
    assert _no_flex(facts_of("qwen3")) == ""
