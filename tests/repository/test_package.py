"""What is installed: one wheel with the models, the tools and all that they read, started by one command."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from quality_gate.cli import COMMANDS


ROOT = Path(__file__).parents[2]
SHIPPED = ("quality_gate", "utils", "modular", "templates", "generated")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked; it is built from a copy, since a build leaves things behind."""
    pytest.importorskip("setuptools", minversion="77", reason="building needs setuptools 77")
    place = tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns("__pycache__", ".*")
    for name in SHIPPED:
        shutil.copytree(ROOT / name, place / "source" / name, ignore=ignore)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place / "source")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(place)]
    done = subprocess.run([*build, str(place / "source")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(place.glob("*.whl"))) as wheel:
        wheel.extractall(place / "site")
    return place / "site"


def is_shipped(path: str) -> bool:
    """Caches are not, and pages are of the project's folder."""
    return not path.endswith(".md") and not any(part.startswith((".", "__pycache__")) for part in path.split("/"))


def started(site: Path, *words: str, where: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1", **settings}
    command = [sys.executable, "-m", "quality_gate", *words]
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, timeout=300)


def test_a_wheel_holds_what_the_tools_read_and_nothing_else(site: Path) -> None:
    for name in SHIPPED[1:]:
        folder = site / name if name == "generated" else site / "quality_gate" / name
        ours = {path.relative_to(ROOT / name).as_posix() for path in (ROOT / name).rglob("*")}
        packed = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        wanted = {one for one in ours if (ROOT / name / one).is_file() and is_shipped(one)}
        assert packed == wanted, sorted(packed ^ wanted)[:5]
    tops = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"generated", "quality_gate"}
    for path in site.rglob("*"):
        assert path.name != "__pycache__" and (
            path.suffix not in (".py", ".toml", ".json") or str(ROOT) not in path.read_text(encoding="utf-8")
        )


def test_the_command_makes_models_in_a_folder_of_the_users(site: Path, tmp_path: Path) -> None:
    before = {path for path in site.rglob("*") if "__pycache__" not in path.parts}
    done = started(site, "convert", "--model", "mistral", where=tmp_path)
    assert done.returncode == 0, done.stderr
    delta = (tmp_path / "modular" / "modular_quality_gate_mistral.py").read_text()
    assert delta == (ROOT / "modular" / "modular_quality_gate_mistral.py").read_text()
    name = "quality_gate_mistral/modeling_quality_gate_mistral.py"
    assert (tmp_path / "generated" / name).read_text() == (ROOT / "generated" / name).read_text()
    made = "from generated import register_gates; from generated.quality_gate_mistral import QualityGateMistralConfig"
    probe = f"{made}; print(*register_gates(), QualityGateMistralConfig.__module__)"
    run = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.split()[:2] == ["quality_gate_llama", "quality_gate_mistral"], run.stderr
    assert started(site, "convert", "--all", "--check", where=tmp_path).returncode == 0
    suite = started(site, "test", "--model", "mistral", "--generated", "generated", "--output", "t", where=tmp_path)
    written = "quality_gate_mistral/test_modeling_quality_gate_mistral.py"
    assert (suite.returncode, (tmp_path / "t" / written).read_text()) == (
        0,
        (ROOT / "tests" / "models" / written).read_text(),
    )
    assert {path for path in site.rglob("*") if "__pycache__" not in path.parts} == before


def test_a_pull_request_brings_what_a_users_model_stands_on(site: Path, tmp_path: Path) -> None:
    assert started(site, "convert", "--model", "mistral", where=tmp_path).returncode == 0
    done = started(site, "pr", "--model", "mistral", "--output", "pr", where=tmp_path)
    assert done.returncode == 0, done.stderr
    models = tmp_path / "pr" / "src" / "transformers" / "models"
    text = (models / "quality_gate_mistral" / "modeling_quality_gate_mistral.py").read_text()
    assert "class QualityGateMistralForCausalLM" in text
    assert (models / "quality_gate_llama" / "modeling_quality_gate_llama.py").is_file()
    assert [path.name for path in (tmp_path / "modular").iterdir()] == ["modular_quality_gate_mistral.py"]


def test_other_folders_can_be_named(site: Path, tmp_path: Path) -> None:
    done = started(site, "convert", "--model", "mistral", "--modular", "m", "--generated", "g", where=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"m", "g"}
    probe = "from g import register_gates; print(*register_gates())"
    run = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.split() == ["quality_gate_llama", "quality_gate_mistral"], run.stderr
    wrong = started(site, "convert", "--generated", "g", "--output", "o", "modular_x.py", where=tmp_path)
    assert wrong.returncode == 2 and "--modular and --generated are where" in wrong.stderr


def test_the_list_has_every_model(site: Path, tmp_path: Path) -> None:
    listed = json.loads(started(site, "list", "--json", where=tmp_path).stdout)
    written = sorted(path.stem.removeprefix("modular_") for path in (ROOT / "modular").glob("modular_*.py"))
    assert [each["model"] for each in listed] == written
    mistral = next(each for each in listed if each["model"] == "quality_gate_mistral")
    lock = json.loads((ROOT / "generated" / "lock.json").read_text())["models"]
    assert mistral == {
        "model": "quality_gate_mistral",
        "kind": "quality",
        "base": "mistral",
        "gates": ['MistralDecoderLayer: QualityGate(reads="self.mlp", scales="self.mlp")'],
        "release": lock["quality_gate_mistral"]["transformers"],
        "suite": "",
    }
    kinds = {each["kind"] for each in json.loads(started(site, "list", "--json", where=ROOT).stdout)}
    alone = json.loads(started(site, "list", "--json", "--gate", "attention", where=ROOT).stdout)
    assert {each["kind"] for each in alone} == {"attention"} < kinds


def test_vllm_finds_gated_models_by_the_entry_point_that_it_calls(site: Path, tmp_path: Path) -> None:
    """In every process of its own, and more than once."""
    probe = (
        "from importlib.metadata import entry_points\n"
        "found = [each for each in entry_points(group='vllm.general_plugins') if each.name == 'quality_gate']\n"
        "assert all(each.load()() for each in [found[0], found[0]])\n"
        "import transformers\n"
        "kind = transformers.QualityGateMistralForCausalLM\n"
        "assert transformers.AutoConfig.for_model('quality_gate_mistral').__class__ is kind.config_class\n"
        "print(found[0].dist.locate_file(''), kind.__module__)"
    )
    settings = {**os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(site), "generated.quality_gate_mistral.modeling_quality_gate_mistral"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--version"], 0, "quality-gate "),
        (["--help"], 0, "usage: quality-gate COMMAND"),
        ([], 2, "usage: quality-gate COMMAND"),
        (["convrt"], 2, "there is no command 'convrt'; did you mean `convert`?"),
        (["completion", "bash"], 0, "complete -o filenames -F _quality_gate quality-gate"),
        (["completion", "zsh"], 0, "bashcompinit"),
        (["completion"], 2, "give the shell"),
        (["completion", "--help"], 0, "source <(quality-gate completion bash)"),
        (["--json", "list"], 2, "`quality-gate COMMAND --json`"),
        (["smoke", "--model", "lama"], 2, "there is no gated model 'lama'; did you mean `llama`?"),
        (["convert"], 2, "say what to convert"),
    ],
)
def test_every_first_word_has_an_answer(words: list[str], status: int, said: str, tmp_path: Path) -> None:
    done = started(ROOT, *words, where=tmp_path)
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_torch(command: str, tmp_path: Path) -> None:
    """Torch takes seconds: whoever asks what a command does should not wait for it, nor for what an extra brings."""
    for name in ("torch", "pyarrow", "datasets", "peft"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('{name} was imported')")
    done = started(ROOT, command, "--help", where=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 0, done.stderr
    assert ("usage: " in done.stdout or command == "run") and done.stdout.strip()


MISSING = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Nothing())
sys.argv[1:] = {words!r} + sys.argv[1:]
from command import run
run({module!r}, {function!r})
"""


@pytest.mark.parametrize(
    ("name", "module", "function", "extra", "words"),
    [
        ("torch", "showcase.cli", "smoke", "[torch]", []),
        ("jinja2", "testgen.cli", "main", "", []),
        ("pyarrow", "selection.select_cli", "main", "[data]", ["--scores", "s", "--output", "o", "--keep", "0.3"]),
        ("pyarrow", "selection.score_cli", "main", "[data]", ["--model", "m", "--data", "d", "--output", "o"]),
        ("rich", "showcase.listing", "main", "", []),
        ("libcst", "pull_request.cli", "main", "", ["--model", "llama", "--output", "o"]),
    ],
)
def test_a_missing_package_is_one_line(name: str, module: str, function: str, extra: str, words: list[str]) -> None:
    code = MISSING.format(name=name, module=module, function=function, words=words)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "utils")},
        capture_output=True,
        text=True,
    )
    line = (
        f"{name} is not installed; fix: pip install 'quality-gate{extra}', or in a clone: pip install -e '.{extra}'\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
    told = subprocess.run(
        [sys.executable, "-c", code, "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "utils")},
        capture_output=True,
        text=True,
    )
    (problem,) = json.loads(told.stdout)["problems"]
    assert (told.returncode, told.stderr, problem["code"]) == (2, line, "not-installed")


def test_without_torch_transformers_does_not_speak_beside_us(monkeypatch: pytest.MonkeyPatch) -> None:
    import command

    name = "TRANSFORMERS_NO_ADVISORY_WARNINGS"
    monkeypatch.delenv(name, raising=False)
    command._hush_transformers()
    assert name not in os.environ
    monkeypatch.setattr(command, "find_spec", lambda package: None)
    monkeypatch.setenv(name, "0")
    command._hush_transformers()
    assert os.environ[name] == "0"  # as the user has it
    monkeypatch.delenv(name)
    command._hush_transformers()
    assert os.environ.pop(name) == "1"


def test_another_release_of_transformers_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("from transformers.utils import what_comes_later\n")
    done = subprocess.run(
        [sys.executable, "-c", "from command import run; run('tool')"],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'utils'}:{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "lacks what is used here" in done.stderr and "what_comes_later" in done.stderr


def test_a_fault_of_ours_is_not_told_as_a_missing_package(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("import a_module_that_nobody_wrote\n")
    done = subprocess.run(
        [sys.executable, "-c", "from command import run; run('tool')"],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'utils'}:{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "ModuleNotFoundError" in done.stderr


def test_tools_that_are_run_do_not_see_ours(tmp_path: Path) -> None:
    """Some look for a package called like one of utils/, as TRL does for `weave`."""
    (tmp_path / "tool_of_others.py").write_text(
        "import importlib.util, sys\nprint(sys.argv[1:], importlib.util.find_spec('scaffold'))\nsys.exit(4)\n"
    )
    for tool in ("tool_of_others", "tool_of_others.py"):
        done = started(ROOT, "run", tool, "--a", where=tmp_path, PYTHONPATH=f"{ROOT}:{tmp_path}")
        assert (done.returncode, done.stdout) == (4, "['--a'] None\n"), done.stderr


def test_nobody_has_to_read_to_the_end(tmp_path: Path) -> None:
    for words in (["list", "--json"], ["--help"]):
        command = f"{sys.executable} -m quality_gate {' '.join(words)} | head -n 1 && exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", command], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
        assert done.stderr == "" and done.stdout


# ---- what the README says, in the order in which it says it

BASE = """
import sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
made = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
LlamaForCausalLM(LlamaConfig(vocab_size=256, **sizes)).save_pretrained(sys.argv[1])
PreTrainedTokenizerFast(tokenizer_object=made).save_pretrained(sys.argv[1])
"""


def runnable(page: Path) -> list[tuple[str, str]]:
    """Language and text of the blocks that are marked to be run."""
    return re.findall(r"<!-- run -->\n```(\w+)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_what_the_readme_shows_works(site: Path, tmp_path: Path) -> None:
    """In an empty folder, with the wheel, and with a tiny model in the place of the one that the README names."""
    blocks = runnable(ROOT / "README.md")
    assert [language for language, _ in blocks] == ["bash", "python", "bash"]
    base = re.search(r"--base (\S+)", blocks[0][1])[1]
    subprocess.run([sys.executable, "-c", BASE, str(tmp_path / base)], check=True, capture_output=True)
    shim = tmp_path / "bin" / "quality-gate"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m quality_gate "$@"\n')
    shim.chmod(0o755)
    path = f"{shim.parent}{os.pathsep}{os.environ['PATH']}"
    settings = {**os.environ, "PATH": path, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    for language, text in blocks:
        command = ["bash", "-eu", "-c", text] if language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    made = {path.name for path in (tmp_path / "generated").iterdir()}
    assert {"quality_gate_mistral", "attention_gate_mistral"} <= made
    assert (tmp_path / "tests" / "quality_gate_mistral").is_dir()


def test_the_readme_is_short_and_the_version_is_one() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1200
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert cited == project["version"]
