"""`generated/__init__.py` is written from a template: it finds the packages beside it and registers what they export."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from facts.project import facts_of, generated_models, package_of, packages_of_others

import generated
import transformers
from generated import autos


TEMPLATES = Path(__file__).parents[2] / "templates"
CONFIGURATION = """
from transformers import PreTrainedConfig


class {name}Config(PreTrainedConfig):
    model_type = "{model}"


__all__ = ["{name}Config"]
"""
MODELING = """
from transformers import PreTrainedModel

from .configuration_{model} import {name}Config


class {name}PreTrainedModel(PreTrainedModel):
    config_class = {name}Config


class {name}Model({name}PreTrainedModel): ...


class {name}ForCausalLM({name}PreTrainedModel): ...


class {name}ForConditionalGeneration({name}PreTrainedModel): ...


def quality_loss(): ...


__all__ = ["{name}PreTrainedModel", "{name}Model", {heads}, "quality_loss"]
"""

MakePackage = Callable[..., ModuleType]


def write_model(package: Path, model: str, heads: str) -> None:
    name = model.title().replace("_", "")
    folder = package / model
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / f"configuration_{model}.py").write_text(CONFIGURATION.format(name=name, model=model))
    (folder / f"modeling_{model}.py").write_text(MODELING.format(name=name, model=model, heads=heads))


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePackage:
    """Write a package of fake models: `make_package("zoo", gate_a="'GateAForCausalLM'")`."""
    monkeypatch.syspath_prepend(tmp_path)
    for table in (transformers.CONFIG_MAPPING, *autos.tables().values()):
        monkeypatch.setattr(table, "_extra_content", {})

    def make(package: str, **heads_of_models: str) -> ModuleType:
        for model, heads in heads_of_models.items():
            write_model(tmp_path / package, model, heads)
        for file, template in (("__init__", "init"), ("autos", "autos"), ("reach", "reach")):
            text = (TEMPLATES / f"generated_{template}.py").read_text()
            (tmp_path / package / f"{file}.py").write_text(text)
        return importlib.import_module(package)

    return make


def test_every_architecture_is_registered_and_twice_is_fine(make_package: MakePackage) -> None:
    zoo = make_package("zoo_both", reg_b="'RegBForConditionalGeneration'", reg_a="'RegAForCausalLM'")
    assert zoo.register_quality_gate() == ("reg_a", "reg_b")
    assert zoo.register_quality_gate() == ("reg_a", "reg_b")

    modeling = importlib.import_module("zoo_both.reg_a.modeling_reg_a")
    config = transformers.AutoConfig.for_model("reg_a")
    assert type(config).__module__ == "zoo_both.reg_a.configuration_reg_a"
    assert transformers.AutoModel._model_mapping[type(config)] is modeling.RegAModel
    assert transformers.AutoModelForCausalLM._model_mapping[type(config)] is modeling.RegAForCausalLM
    assert type(config) not in transformers.AutoModelForImageTextToText._model_mapping

    modeling = importlib.import_module("zoo_both.reg_b.modeling_reg_b")
    config = transformers.AutoConfig.for_model("reg_b")
    for auto in (transformers.AutoModelForImageTextToText, transformers.AutoModelForCausalLM):
        assert auto._model_mapping[type(config)] is modeling.RegBForConditionalGeneration


def test_a_registration_that_transformers_drops_is_an_error(
    make_package: MakePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = make_package("zoo_dropped", reg_c="'RegCForCausalLM'")
    monkeypatch.setattr(transformers.AutoModelForCausalLM, "register", lambda *_, **__: None)
    with pytest.raises(
        RuntimeError, match="AutoModelForCausalLM: RegCConfig was registered as .* answers with nothing"
    ):
        zoo.register_quality_gate()
        transformers.AutoConfig.for_model("reg_c")


def test_two_classes_for_one_place_are_an_error(make_package: MakePackage) -> None:
    zoo = make_package("zoo_twins", reg_d="'RegDForCausalLM', 'RegDForConditionalGeneration'")
    with pytest.raises(RuntimeError, match=r"RegDForCausalLM, but .* answers with \S+RegDForConditionalGeneration"):
        zoo.register_quality_gate()
        transformers.AutoConfig.for_model("reg_d")


def test_an_architecture_is_imported_when_it_is_asked_for(make_package: MakePackage) -> None:
    zoo = make_package("zoo_lazy", reg_f="'RegFForCausalLM'", reg_g="'RegGForCausalLM'", reg_h="'RegHForCausalLM'")
    assert zoo.register_quality_gate() == ("reg_f", "reg_g", "reg_h")

    def loaded() -> set[str]:
        return {name.split(".")[1] for name in sys.modules if name.startswith("zoo_lazy.reg_")}

    assert not loaded() and "reg_f" in transformers.CONFIG_MAPPING and "reg_f" in list(transformers.CONFIG_MAPPING)
    assert not loaded()
    transformers.AutoConfig.for_model("reg_f")
    assert loaded() == {"reg_f"}
    config = importlib.import_module("zoo_lazy.reg_g.configuration_reg_g").RegGConfig
    assert loaded() == {"reg_f", "reg_g"} and "zoo_lazy.reg_g.modeling_reg_g" not in sys.modules
    assert transformers.AutoModelForCausalLM._model_mapping[config].__name__ == "RegGForCausalLM"
    assert "RegHConfig" in {found.__name__ for found in transformers.AutoModel._model_mapping}
    assert loaded() == {"reg_f", "reg_g", "reg_h"}


def in_threads(count: int, ask: Callable[[], object]) -> list[object]:
    """What some threads that begin at once are answered, or the errors that they are."""
    ready, answers = threading.Barrier(count), []

    def run() -> None:
        ready.wait()
        try:
            answers.append(ask())
        except Exception as error:
            answers.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    return answers


def test_threads_that_ask_at_once_are_all_answered(make_package: MakePackage, tmp_path: Path) -> None:
    zoo = make_package("zoo_threads", reg_m="'RegMForCausalLM'")
    file = tmp_path / "zoo_threads" / "reg_m" / "modeling_reg_m.py"
    file.write_text("import time\n\ntime.sleep(0.3)\n" + file.read_text())
    assert in_threads(4, zoo.register_gates) == [("reg_m",)] * 4
    answers = in_threads(4, lambda: type(transformers.AutoConfig.for_model("reg_m")).__name__)
    assert answers == ["RegMConfig"] * 4


def test_why_a_package_cannot_be_used_is_said_each_time(make_package: MakePackage, tmp_path: Path) -> None:
    zoo = make_package("zoo_broken", reg_n="'RegNForCausalLM'", reg_o="'RegOForCausalLM'")
    file = tmp_path / "zoo_broken" / "reg_n" / "modeling_reg_n.py"
    whole = file.read_text()
    file.write_text("import nobody_has_this\n" + whole)
    zoo.register_gates()
    for _ in range(2):
        with pytest.raises(ImportError, match="nobody_has_this"):
            transformers.AutoConfig.for_model("reg_n")
    with pytest.warns(UserWarning, match=r"zoo_broken\.reg_n cannot be registered and is left out: .*nobody_has_this"):
        names = {found.__name__ for found in transformers.AutoModelForCausalLM._model_mapping._extra_content.values()}
    assert "RegOForCausalLM" in names and "RegNForCausalLM" not in names
    file.write_text(whole + "\n# mended\n")
    importlib.invalidate_caches()
    assert transformers.AutoConfig.for_model("reg_n").model_type == "reg_n"


def test_another_folder_of_models_leaves_those_of_the_first_waiting(make_package: MakePackage) -> None:
    make_package("zoo_first", reg_s="'RegSForCausalLM'").register_gates()
    make_package("zoo_second", reg_t="'RegTForCausalLM'").register_gates()
    assert not any(name.startswith(("zoo_first.reg_s.", "zoo_second.reg_t.")) for name in sys.modules)
    for model in ("reg_s", "reg_t"):
        config = type(transformers.AutoConfig.for_model(model))
        assert transformers.AutoModelForCausalLM._model_mapping[config].config_class is config


def test_a_refused_registration_is_refused_again(make_package: MakePackage) -> None:
    zoo = make_package("zoo_again", reg_p="'RegPForCausalLM', 'RegPForConditionalGeneration'")
    zoo.register_gates()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="RegPForCausalLM, but"):
            transformers.AutoConfig.for_model("reg_p")
    with pytest.warns(UserWarning, match="reg_p cannot be registered and is left out"):
        assert not transformers.AutoModelForCausalLM._model_mapping._extra_content.items()


def test_a_package_may_ask_the_auto_classes_for_itself_while_it_is_imported(
    make_package: MakePackage, tmp_path: Path
) -> None:
    zoo = make_package("zoo_itself", reg_q="'RegQForCausalLM'")
    file = tmp_path / "zoo_itself" / "reg_q" / "modeling_reg_q.py"
    asks = "import transformers\nfrom .configuration_reg_q import RegQConfig\n\n"
    asks += "SEEN = RegQConfig in transformers.AutoModel._model_mapping\n"
    file.write_text(asks + file.read_text())
    zoo.register_gates()
    modeling = importlib.import_module("zoo_itself.reg_q.modeling_reg_q")
    assert modeling.SEEN is False
    assert transformers.AutoModel._model_mapping[modeling.RegQConfig] is modeling.RegQModel


FORKED = """
import os, threading
import transformers, zoo_forked

zoo_forked.register_gates()
held, done = threading.Event(), threading.Event()

def hold():
    with zoo_forked._lock:
        held.set()
        done.wait(30)

threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if not child:
    import signal
    signal.alarm(20)
    os._exit(transformers.AutoConfig.for_model("reg_r").model_type != "reg_r")
status = os.waitpid(child, 0)[1]
done.set()
raise SystemExit(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_waits_for_no_thread_that_it_does_not_have(make_package: MakePackage, tmp_path: Path) -> None:
    make_package("zoo_forked", reg_r="'RegRForCausalLM'")
    run = subprocess.run([sys.executable, "-c", FORKED], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_classes_are_attributes_of_transformers_and_imported_when_asked_for(make_package: MakePackage) -> None:
    zoo = make_package("zoo_shown", reg_i="'RegIForCausalLM'", reg_j="'RegJForCausalLM'")
    zoo.register_quality_gate()
    assert not hasattr(transformers, "RegKForCausalLM") and not hasattr(transformers, "regular")
    assert not any(name.startswith("zoo_shown.reg_") for name in sys.modules)
    modeling = importlib.import_module("zoo_shown.reg_i.modeling_reg_i")
    assert transformers.RegIForCausalLM is modeling.RegIForCausalLM is sys.modules["transformers"].RegIForCausalLM
    assert "zoo_shown.reg_j.modeling_reg_j" not in sys.modules
    assert transformers.RegJConfig.model_type == "reg_j" and transformers.LlamaConfig.model_type == "llama"
    assert transformers.AutoModel._model_mapping[transformers.RegJConfig] is transformers.RegJModel


def test_a_class_that_transformers_has_itself_is_its_own(
    make_package: MakePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = make_package("zoo_theirs", reg_l="'RegLForCausalLM'")
    zoo.register_quality_gate()
    theirs = [*transformers.__all__, "RegLForCausalLM"]
    monkeypatch.setattr(transformers, "__all__", theirs)
    assert not hasattr(transformers, "RegLForCausalLM")


PROBE = """
import transformers as before  # the module object that transformers replaces when the first model is imported

from generated import register_gates

register_gates()
import sys
import transformers

assert before is not transformers, "nothing was replaced"
assert "peft" not in sys.modules
for each in (before, transformers):
    assert each.QualityGateLlamaForCausalLM.__module__ == "generated.quality_gate_llama.modeling_quality_gate_llama"
assert before.AutoConfig.for_model("quality_gate").model_type == "quality_gate_qwen3"
assert transformers.QualityGateForCausalLM is transformers.QualityGateQwen3ForCausalLM
from peft.utils import constants

table = constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
assert table["quality_gate_llama"] == table["llama"] and table["attention_gate_gemma3_text"] == table["gemma3_text"]
"""


def test_every_module_object_of_transformers_and_a_later_peft_are_told(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    run = subprocess.run([sys.executable, "-c", PROBE], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_without_torch_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers.utils, "is_torch_available", lambda: False)
    with pytest.raises(ModuleNotFoundError, match="pip install torch"):
        generated.register_gates()


def test_every_class_is_served_wherever_its_base_is() -> None:
    tables = {auto: table._model_mapping for auto, table in autos.tables().items()}
    packages = [package_of(base) for base in generated_models()] + packages_of_others()
    every: set[str] = set()
    for facts in map(facts_of, packages):
        served: dict[tuple[str, str], str] = {}  # configuration, Auto class -> the one class that may be there
        for model in facts.models:
            model_type = facts.configs[model.config].model_type
            base = model_type.removeprefix(facts.names.family)
            listed = {
                auto for auto, names in tables.items() if model.base_name in (names.get(base), *names.get(base, ()))
            }
            found = set(autos.auto_classes(model_type, model.name))
            ours = set(autos.BY_ENDING.get(model.role, ()))
            assert listed <= found <= listed | ours, f"{model.name}: {sorted(found)}, and its base: {sorted(listed)}"
            for auto in found:
                assert autos.may_serve(auto, autos.tables()[auto], model_type)
                assert served.setdefault((model.config, auto), model.name) == model.name
            every |= found
    assert {"AutoModelForMaskedLM", "AutoModelForPreTraining", "AutoModelForNextSentencePrediction"} <= every


def test_heads_of_encoders_are_found_by_their_auto_classes() -> None:
    generated.register_gates()
    config = transformers.AutoConfig.for_model("quality_gate_bert")
    for head in ("MaskedLM", "PreTraining", "NextSentencePrediction"):
        table = getattr(transformers, f"AutoModelFor{head}")._model_mapping
        assert table[type(config)].__name__ == f"QualityGateBertFor{head}"


def test_importing_the_package_imports_neither_torch_nor_transformers(
    make_package: MakePackage, tmp_path: Path
) -> None:
    make_package("zoo_cheap", reg_e="'RegEForCausalLM'")
    probe = "import sys, zoo_cheap; print(*{'torch', 'transformers'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
