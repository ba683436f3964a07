"""Modules, models and tables are found without importing anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from building.casing import read_casing
from building.library import ABSENT, Library, View, digest, installed
from building.workspace import find_transformers, find_tree, path_jobs, project_jobs, read_release, select, tree_jobs
from diagnostics.errors import ConversionError
from toy import make_tree, put

from converter.values import Layout


MAPPINGS = """\
CONFIG_MAPPING_NAMES = OrderedDict(
    [
        # ("ghost", "GhostConfig"),
        ("llama", "LlamaConfig"),
        ("audio-spectrogram-transformer", "ASTConfig"),
        (
            "gpt_oss",
            "GptOssConfig",
        ),
    ]
)

SPECIAL_MODEL_TYPE_TO_MODULE_NAME = OrderedDict([("llama", "elsewhere")])
"""
AUTO = """\
from .auto_mappings import CONFIG_MAPPING_NAMES

CONFIG_MAPPING_NAMES.update(
    {
        "mlcd": "MLCDVisionConfig",
        "llama": 'LlamaTooConfig',
    }
)

CONFIG_MAPPING_NAMES = OrderedDict(**{"gpt-sw3": "GPT2Config"}, **CONFIG_MAPPING_NAMES)
CONFIG_MAPPING = _LazyConfigMapping(CONFIG_MAPPING_NAMES)
x = {"not": "AConfig"}
"""


@pytest.mark.parametrize("one_file", [True, False], ids=["older releases", "newer releases"])
def test_the_casing_table_is_read_as_python_would_fill_it(tmp_path: Path, one_file: bool) -> None:
    auto = tmp_path / "models/auto"
    put(
        auto / "configuration_auto.py",
        MAPPINGS.replace("NAMES =", "NAMES: dict[str, str] =", 1) + AUTO if one_file else AUTO,
    )
    if not one_file:
        put(auto / "auto_mappings.py", MAPPINGS)
    assert list(read_casing(tmp_path).items()) == [
        ("gpt-sw3", "GPT2"),
        ("llama", "LlamaToo"),
        ("audio-spectrogram-transformer", "AST"),
        ("gpt_oss", "GptOss"),
        ("mlcd", "MLCDVision"),
    ]


def test_a_tree_without_table_has_none(tmp_path: Path) -> None:
    assert read_casing(tmp_path) == {}


def test_the_installed_table_is_the_one_that_python_sees() -> None:
    code = "from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES as c; print(list(c.items()))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout
    expected = [(model, config.removesuffix("Config")) for model, config in eval(printed.splitlines()[-1])]
    assert list(read_casing(find_transformers()).items()) == expected


def test_modules_are_found_as_imports_would(tmp_path: Path) -> None:
    put(tmp_path / "top/__init__.py", "A = 1\n")
    put(tmp_path / "top/one.py", "B = 1\n")
    put(tmp_path / "top/two/__init__.py", "C = 1\n")
    put(tmp_path / "top/two.py", "hidden by the package\n")
    library = Library({"top": tmp_path / "top"})
    texts = {name: library.load(name) for name in ("top", "top.one", "top.two")}
    assert {name: source.text for name, source in texts.items() if source} == {
        "top": "A = 1\n",
        "top.one": "B = 1\n",
        "top.two": "C = 1\n",
    }
    assert library.load("top.three") is None and library.load("no_such_top.x") is None
    assert library.load("top.one") is texts["top.one"], "read once"


def test_other_packages_are_found_where_they_are_installed() -> None:
    source = Library({}).load("libcst._nodes.base")
    assert source is not None and "class CSTNode" in source.text
    assert installed("no_such_package") is None


def test_messages_name_paths_as_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "here/top/one.py", "")
    for folder, path in (("here", "top/one.py"), ("elsewhere", str(tmp_path / "here/top/one.py"))):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        source = Library({"top": tmp_path / "here/top"}).load("top.one")
        assert source is not None and source.path == path


@pytest.mark.parametrize(
    ("content", "text"), [(b"a\r\nb\rc\n", "a\nb\nc\n"), (b"\xef\xbb\xbfa\n", "a\n"), ("é\n".encode(), "é\n")]
)
def test_texts_have_plain_newlines_and_no_mark(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "one.py").write_bytes(content)
    library = Library({"top": tmp_path})
    source = library.load("top.one")
    assert source is not None and source.text == text and library.digest("top.one") == digest(content)


def test_a_module_that_is_not_utf8_is_refused_at_the_byte(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_bytes("é = 1\nab\xfc\n".encode("latin-1").replace(b"\xe9", "é".encode()))
    with pytest.raises(ConversionError, match=r"one\.py:2:3: not-utf8: byte 0xfc is not UTF-8"):
        Library({"top": tmp_path}).load("top.one")


def test_a_view_shows_what_will_be_and_records_what_was_read(tmp_path: Path) -> None:
    for name in ("kept", "changed", "removed"):
        put(tmp_path / f"{name}.py", "OLD = 1\n")
    view = View(Library({"top": tmp_path}), {"top.changed": "NEW = 1\n", "top.removed": None, "top.new": ""})
    texts = {
        name: source and source.text
        for name in ("kept", "changed", "removed", "new", "none")
        for source in [view.load(f"top.{name}")]
    }
    assert texts == {"kept": "OLD = 1\n", "changed": "NEW = 1\n", "removed": None, "new": "", "none": None}
    assert view.reads == {
        "top.kept": digest(b"OLD = 1\n"),
        "top.changed": digest(b"NEW = 1\n"),
        "top.removed": ABSENT,
        "top.new": digest(b""),
        "top.none": ABSENT,
    }


def test_a_project_s_jobs(tmp_path: Path) -> None:
    put(tmp_path / "modular/modular_quality_gate_llama.py", "")
    put(tmp_path / "modular/notes.py", "")
    (job,) = project_jobs("5.23.0", strict=True, project=tmp_path)
    assert (job.name, job.package) == ("quality_gate_llama", "generated.quality_gate_llama")
    assert job.folder == tmp_path / "generated/quality_gate_llama"
    assert (job.target.layout, job.target.origin) == (Layout.PACKAGE, "modular/modular_quality_gate_llama.py")
    assert job.module_of("__init__.py") == job.package
    assert job.module_of("modeling_x.py") == "generated.quality_gate_llama.modeling_x"


def test_a_tree_s_jobs(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "any_name", qwen3="")
    put(tree / "models/data2vec/modular_data2vec_text.py", "")
    put(tree / "models/data2vec/modeling_data2vec_text.py", "")
    put(tree / "models/deep/er/modular_deep.py", "")
    jobs = tree_jobs(tree, "9.9.9", strict=False)
    assert [job.name for job in jobs] == ["data2vec/data2vec_text", "qwen3"]
    assert jobs[0].target.origin == "src/transformers/models/data2vec/modular_data2vec_text.py"
    assert jobs[0].module == "transformers.models.data2vec.modular_data2vec_text"
    assert [job.name for job in select(jobs, ["data2vec_text", "data2vec"], tree)] == ["data2vec/data2vec_text"]
    assert select(jobs, [], tree) == jobs


def test_two_files_of_one_name_cannot_both_be_made(tmp_path: Path) -> None:
    one, two = put(tmp_path / "a/modular_x.py", ""), put(tmp_path / "b/modular_x.py", "")
    with pytest.raises(ConversionError, match="duplicate-model"):
        path_jobs([one, two], tmp_path / "out", "1", strict=True)


def test_a_tree_is_found_from_the_checkout_and_says_its_release(tmp_path: Path) -> None:
    package = make_tree(tmp_path / "src/transformers")
    assert find_tree(tmp_path) == find_tree(package) == package
    assert read_release(package) == "9.9.9"
    assert read_release(tmp_path) == "unknown"
    assert read_release(find_transformers()).startswith("5.")


def test_without_transformers_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("building.workspace.installed", lambda _: None)
    with pytest.raises(ConversionError, match=r"no-transformers.*\n.*pip install transformers"):
        find_transformers()
