"""Files of peculiarities: what they may say, and where and how they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnostics.names import nearest
from facts.entries import SECTIONS, PeculiarError
from facts.peculiar import (
    FOLDER,
    STEPS,
    Peculiarities,
    described_bases,
    peculiarities,
    read_peculiarities,
    spellings,
)
from facts.project import generated_models
from facts.tiny import LAYERS, tiny_fields
from facts.values import base_name


WHY = 'why = "the base says so"\n'
WHOLE = """
# A toy
[[tiny]]
why = "half of the layers mix"
fields.kinds = ["mix", "attend"]
fields.rope.theta = 1e4
none = ["window"]

[[tiny]]
why = "as many heads of keys"
[tiny.fields.inner_config]
heads = 4

[[skip]]
why = "Toy goes backward"
tests = ["TestGeneration", "test_forward"]

[[lacks]]
why = "Toy has other masks"
features = ["flex_attention"]

[[spelled]]
why = "an underscore in names"
classes.Toy25 = "Toy2_5"

[[checkpoint]]
why = "so called on disk"
experts = ["w1", "w3", "w2"]

[[pull_request.tiny]]
why = "of two layers, both kinds"
fields.kinds = ["mix", "attend"]

[[pull_request.skip]]
why = "The base is excepted, too"
tests = ["test_model_is_small"]

[[pull_request.states]]
why = "each head keeps one"
fields.conv = ["config.heads", "4"]

[[pull_request.training]]
why = "it learns slowly"
steps = 900

[[pull_request.exported]]
why = "a part of a whole"
classes.ToyModel = false

[[pull_request.text]]
why = "the other is of images, too"
checkpoint = "toys/Toy-2.5_text"
"""


def test_a_file_says_all_there_is_to_say() -> None:
    toy = read_peculiarities(WHOLE, "modular/peculiar/toy.toml")
    kinds = {"kinds": ["mix", "attend"]}
    assert toy.tiny == {**kinds, "rope": {"theta": 1e4}, "window": None, "inner_config": {"heads": 4}}
    assert list(toy.tiny) == ["kinds", "rope", "window", "inner_config"], "in the order of the file"
    assert toy.skip == dict.fromkeys(["TestGeneration", "test_forward"], "Toy goes backward")
    assert toy.lacks == {"flex_attention": "Toy has other masks"}
    assert toy.spelled == {"Toy25": "Toy2_5"} and toy.experts == ("w1", "w3", "w2")
    assert toy.upstream_tiny == kinds and toy.upstream_skip == {"test_model_is_small": "The base is excepted, too"}
    assert toy.upstream_states == {"conv": ["config.heads", "4"]}
    assert toy.training_steps == 900 and toy.exported == {"ToyModel": False}
    assert toy.text_checkpoint == "toys/Toy-2.5_text"
    assert all(f"[[{section}]]" in WHOLE for section in SECTIONS)


def test_without_a_file_there_is_nothing_peculiar(tmp_path: Path) -> None:
    assert peculiarities("toy", tmp_path) == Peculiarities() == peculiarities("../secret", tmp_path)
    assert Peculiarities().training_steps == STEPS and spellings(tmp_path) == {} == tiny_fields([], "toy")
    assert described_bases(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("text", "place", "said", "fix"),
    [
        ("[[tinny]]\n" + WHY, (1, 3), "`tinny` is not a section", "did you mean `tiny`?"),
        ("[tiny]\n" + WHY, (1, 2), "`tiny` is one table", "[[tiny]]"),
        ("tiny = [1]\n", (1, 1), "`1` is not an entry", "[[tiny]]"),
        ("[[pull_request.skipp]]\n" + WHY, (1, 16), "`skipp` is not a section of `pull_request`", "`skip`"),
        ("pull_request = 3\n", (1, 1), "`pull_request` is not a section", "pull_request."),
        (f'[[skip]]\n{WHY}test = ["test_a"]', (3, 1), "`test` is not a key of an entry of `skip`", "`tests`"),
        (f'[[skip]]\n{WHY}none = ["test_a"]', (3, 1), "`none` is not a key", "there are why, tests"),
        (f"[[skip]]\n{WHY}", (1, 3), "`tests` has to be a list of names", "docs/tests.md"),
        (f"[[skip]]\n{WHY}tests = []", (3, 1), "`tests` has to be a list of names", "docs/tests.md"),
        (f'[[skip]]\n{WHY}tests = ["check_a"]', (3, 11), "`check_a` is not the name of a test", "name a test"),
        (f'[[skip]]\n{WHY}tests = ["test_a(b"]', (3, 11), "`test_a(b` is not the name of a test", "name a test"),
        (f"[[skip]]\n{WHY}tests = [7]", (3, 10), "`7` is not the name of a test", "name a test"),
        (
            f'[[skip]]\n{WHY}tests = ["test_a"]\n[[skip]]\n{WHY}tests = ["test_a"]',
            (6, 11),
            "`test_a` is told twice",
            "join the two",
        ),
        (
            f'[[lacks]]\n{WHY}features = ["flex_atention"]',
            (3, 14),
            "`flex_atention` is not a feature of `lacks`",
            "`flex_attention`",
        ),
        (f"[[tiny]]\n{WHY}fields = 3", (3, 1), "`fields` has to be a table", "docs/tests.md"),
        (f"[[tiny]]\n{WHY}fields.class = 3", (3, 8), "`class` is not a name", "as Python does"),
        (f'[[tiny]]\n{WHY}fields."a b" = 3', (3, 9), "`a b` is not a name", "as Python does"),
        (f'[[tiny]]\n{WHY}none = "window"', (3, 1), "`none` has to be a list of names", "docs/tests.md"),
        (f"[[tiny]]\n{WHY}fields.day = 1979-05-27", (3, 8), "`day` cannot be datetime", "docs/tests.md"),
        (f"[[tiny]]\n{WHY}fields.rate = [nan]", (3, 8), "`rate` cannot be [nan]", "docs/tests.md"),
        (f'[[spelled]]\n{WHY}classes.A = "a b"', (3, 9), "`A` cannot be 'a b'", "docs/tests.md"),
        (f'[[checkpoint]]\n{WHY}experts = ["w1"]', (3, 1), "an expert has 3 projections", "gate, up and down"),
        (f"[[pull_request.training]]\n{WHY}steps = 0", (3, 1), "`steps` has to be a number", "docs/tests.md"),
        (f"[[pull_request.training]]\n{WHY}steps = -1", (3, 1), "`steps` cannot be -1", "docs/tests.md"),
        (f"[[pull_request.training]]\n{WHY}steps = true", (3, 1), "`steps` has to be a number", "docs/tests.md"),
        (f"[[pull_request.exported]]\n{WHY}classes.A = 1", (3, 9), "`A` cannot be 1", "docs/tests.md"),
        (f"[[pull_request.text]]\n{WHY}checkpoint = 1", (3, 1), "`checkpoint` has to be a string", "docs/tests.md"),
        (f'[[pull_request.text]]\n{WHY}checkpoint = "x"', (3, 1), "`checkpoint` cannot be 'x'", "docs/tests.md"),
        ('[[skip]]\nwhy = "it says \\"no\\""\ntests = ["test_a"]', (2, 1), "a reason has quotes", "leave them out"),
        ("[[skip]]\ntests = [", (2, 10), "the file is not TOML", "correct this line"),
    ],
)
def test_what_no_file_may_say_is_refused_where_it_stands(
    text: str, place: tuple[int, int], said: str, fix: str
) -> None:
    with pytest.raises(PeculiarError) as refused:
        read_peculiarities(text, "modular/peculiar/toy.toml")
    (found,) = refused.value.diagnostics
    assert (found.code, found.path) == ("bad-peculiarity", "modular/peculiar/toy.toml")
    assert said in found.message and fix in found.fix
    if "not TOML" not in said:  # which line that is differs between releases of Python
        assert (found.line, found.column) == place


@pytest.mark.parametrize("why", ["", 'why = ""\n', 'why = "so"\n', "why = 3\n", 'why = "              "\n'])
@pytest.mark.parametrize("section", SECTIONS)
def test_no_entry_goes_without_a_reason(section: str, why: str) -> None:
    content = {
        "fields": "fields.a = 1",
        "tests": 'tests = ["test_a"]',
        "features": 'features = ["static_cache"]',
        "classes": "classes.A = false" if "exported" in section else 'classes.A = "B"',
        "experts": 'experts = ["a", "b", "c"]',
        "steps": "steps = 3",
        "checkpoint": 'checkpoint = "a/b"',
    }[SECTIONS[section]]
    assert read_peculiarities(f"[[{section}]]\n{WHY}{content}", "toy")
    with pytest.raises(PeculiarError, match=f"no-reason: an entry of `{section}` has no `why`"):
        read_peculiarities(f"[[{section}]]\n{why}{content}", "toy")


def test_places_are_those_of_the_section_and_no_comment() -> None:
    text = f"# heads\n[[tiny]]\n{WHY}fields.heads = 2\n[[pull_request.tiny]]\n{WHY}fields.heads = 1 # heads\n"
    with pytest.raises(PeculiarError, match=r"toy:7:8: stale-peculiarity: `heads` is not a size\n.*`head`"):
        read_peculiarities(text, "toy").check("pull_request.tiny", ["heads"], ["head"], "size")
    with pytest.raises(PeculiarError, match=r"toy:4:8: .*\n.*take the entry out"):
        read_peculiarities(text, "toy").check("tiny", ["heads"], [], "field")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(PeculiarError, match="modular/peculiar/toy.toml:1:1: bad-peculiarity: the file is not UTF-8"):
        peculiarities("toy", tmp_path)


def strays(described: list[str], known: list[str]) -> list[str]:
    """Files whose base is not gated, each with the base that was probably meant."""
    return [f"{base}.toml: did you mean {nearest(base, known)}?" for base in described if base not in known]


def test_every_file_is_about_a_gated_base() -> None:
    assert strays(["lama", "llama"], ["llama"]) == ["lama.toml: did you mean llama?"]
    assert len(described_bases()) > 40 and strays(described_bases(), generated_models()) == []
    assert {path.suffix for path in FOLDER.iterdir()} == {".toml"}, "nothing else is read here"


@pytest.mark.parametrize("base", described_bases())
def test_every_file_says_something_and_what_it_is_about(base: str) -> None:
    found = peculiarities(base)
    assert found != Peculiarities(found.path, found.text)
    assert found.text.startswith("# ") and found.text.split("\n")[1] == "", (
        "a first line says which architecture it is"
    )


def test_lists_for_layers_are_of_as_many() -> None:
    kinds = [
        peculiarities(base).tiny.get(name) for base in described_bases() for name in ("layer_types", "block_types")
    ]
    assert {len(each) for each in kinds if each} == {LAYERS}


def test_values_are_ones_own() -> None:
    first = tiny_fields([], "dbrx")
    first["attn_config"]["kv_n_heads"] = 7
    assert tiny_fields([], "dbrx")["attn_config"]["kv_n_heads"] == 2


def test_names_of_bases_are_spelled_as_they_spell_them() -> None:
    assert base_name("QualityGateBertForCausalLM") == "BertLMHeadModel"
    assert base_name("QualityGateKosmos25TextModel") == "Kosmos2_5TextModel"
    assert base_name("QualityGateBertModel") == "BertModel" and base_name("QualityGateLlamaModel") == "LlamaModel"
