"""`generated/__init__.py` is written from a template: it finds the packages beside it and registers what they export."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import generated
import transformers


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

    def make(package: str, **heads_of_models: str) -> ModuleType:
        for model, heads in heads_of_models.items():
            write_model(tmp_path / package, model, heads)
        for file, template in (("__init__", "generated_init"), ("reach", "generated_reach")):
            (tmp_path / package / f"{file}.py").write_text((TEMPLATES / f"{template}.py").read_text())
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


def test_importing_the_package_imports_neither_torch_nor_transformers(
    make_package: MakePackage, tmp_path: Path
) -> None:
    make_package("zoo_cheap", reg_e="'RegEForCausalLM'")
    probe = "import sys, zoo_cheap; print(*{'torch', 'transformers'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
