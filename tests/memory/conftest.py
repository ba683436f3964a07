"""What the tests of memory share: a small model with memory gates, its tokenizer, a bank."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from memory_models import FACTS, Tokenizer, byte_tokenizer, small_model, write_records


if importlib.util.find_spec("pyarrow") is None:  # the extra `data`, which `make test` installs
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return byte_tokenizer()


@pytest.fixture(scope="session")
def tokenizer_folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("of") / "reader-of-bytes"
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def other_tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("of") / "another-reader"
    byte_tokenizer(backwards=True).save_pretrained(folder)
    return folder


@pytest.fixture
def model() -> object:
    """A model with an empty memory: 16 rows of 32 tokens, the first three of them frozen."""
    return small_model()


@pytest.fixture
def facts_file(tmp_path: Path) -> Path:
    return write_records(tmp_path / "facts.jsonl", [{"sentence": each} for each in FACTS])


@pytest.fixture
def bank(tmp_path: Path, facts_file: Path, tokenizer_folder: Path) -> Path:
    """The folder of a bank with FACTS."""
    from memory.cli import main

    sizes = ["--knowledge-num", "16", "--knowledge-length", "32"]
    words = ["build", "--data", str(facts_file), "--output", str(tmp_path / "bank"), *sizes]
    assert main([*words, "--tokenizer", str(tokenizer_folder)]) == 0
    return tmp_path / "bank"


@pytest.fixture
def checkpoint(tmp_path: Path, model: object, tokenizer: Tokenizer) -> Path:
    """The folder of a model with FACTS in its memory, without a file of sentences."""
    from memory_models import fill

    fill(model, tokenizer, FACTS)
    model.save_pretrained(tmp_path / "checkpoint")
    tokenizer.save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"
