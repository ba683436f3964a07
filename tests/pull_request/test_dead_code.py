"""A modular file loses what its first conversion shows to be dead, and nothing else."""

from __future__ import annotations

import ast

import pytest
from pull_request.dead_code import export_configs, without_dead_code, without_dead_configs, without_dead_modules
from pull_request.initialisation import without_branches, without_unused
from pull_request.reachable import dead_classes


MODELING = """\
import torch

from ... import initialization as init


class QualityGateToyVision(nn.Module):
    pass


class QualityGateToyTower(QualityGateToyPreTrainedModel):
    def __init__(self, config: QualityGateToyVisionConfig):
        self.vision = QualityGateToyVision()


class QualityGateToyExperts(nn.Module):
    pass


class QualityGateToyPreTrainedModel(PreTrainedModel):
    config: QualityGateToyConfig
    _no_split_modules = ["QualityGateToyExperts", "QualityGateToyTower", "QualityGateToyAudio"]

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, QualityGateToyTower):
            init.zeros_(module.a)
        elif isinstance(module, QualityGateToyExperts):
            # kept
            init.ones_(module.b)


class QualityGateToyModel(QualityGateToyPreTrainedModel):
    def __init__(self, config: QualityGateToyTextConfig):
        self.experts = QualityGateToyExperts()


__all__ = ["QualityGateToyPreTrainedModel", "QualityGateToyModel"]
"""
MODULAR = """\
import torch

from ..toy.modeling_toy import ToyModel, ToyPreTrainedModel, ToyTower


class QualityGateToyTextConfig(ToyTextConfig):
    pass


class QualityGateToyVisionConfig(ToyVisionConfig):
    pass


class QualityGateToyTower(ToyTower):
    pass


class QualityGateToyPreTrainedModel(ToyPreTrainedModel):
    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)


class QualityGateToyModel(ToyModel):
    pass


__all__ = ["QualityGateToyTextConfig", "QualityGateToyPreTrainedModel", "QualityGateToyModel"]
"""
CONFIGURATION = "class QualityGateToyTextConfig(PreTrainedConfig):\n    pass\n"


def test_what_initialisation_alone_names_is_dead() -> None:
    assert dead_classes(ast.parse(MODELING)) == {"QualityGateToyVision", "QualityGateToyTower"}


def test_initialisation_is_written_out_without_the_dead() -> None:
    settled = without_dead_modules(MODULAR, MODELING)
    assert (
        "        PreTrainedModel._init_weights(self, module)\n        if isinstance(module, QualityGateToyExperts):\n"
        "            # kept\n            init.ones_(module.b)\n"
    ) in settled
    assert "Tower(" not in settled and "class QualityGateToyExperts(ToyExperts):\n    pass\n" in settled
    for line in (
        "from ..toy.modeling_toy import ToyExperts\n",
        "from ... import init",
        "from ...modeling_utils import PreTrainedModel",
    ):
        assert line in settled
    assert '    _no_split_modules = ["QualityGateToyExperts"]\n' in settled


def test_a_model_without_dead_classes_stays_as_it_is() -> None:
    alive = MODELING.replace("self.experts =", "self.tower = QualityGateToyTower()\n        self.experts =")
    alive = alive.replace(', "QualityGateToyAudio"', "")
    assert without_dead_modules(MODULAR, alive) == MODULAR


def test_configurations_of_parts_without_a_model_go() -> None:
    settled = without_dead_configs(MODULAR, MODELING, CONFIGURATION)
    assert "VisionConfig" not in settled
    assert (
        "class QualityGateToyPreTrainedModel(ToyPreTrainedModel):\n    config: QualityGateToyTextConfig\n" in settled
    )


@pytest.mark.parametrize("place", ["modeling", "configuration"])
def test_configurations_that_something_names_stay(place: str) -> None:
    part = "\n    sub_configs = {'vision': QualityGateToyVisionConfig}\n"
    modeling = MODELING.replace("config: QualityGateToyTextConfig", "config: QualityGateToyVisionConfig")
    texts = (modeling, CONFIGURATION) if place == "modeling" else (MODELING, CONFIGURATION + part)
    assert without_dead_configs(MODULAR, *texts) == MODULAR


METHOD = """\
    def _init_weights(self, module):
        if isinstance(module, {0}):
            a(module)
        elif isinstance(module, {1}) and module.on:
            b(module)
        elif isinstance(module, ({1}, {2})):
            c(module)
        else:
            d(module)
"""


def test_branches_of_dead_kinds_go() -> None:
    method = METHOD.format("Dead", "Other", "Live")
    assert without_branches(method, {"Dead"}).startswith(
        "    def _init_weights(self, module):\n        if isinstance(module, Other) and module.on:\n            b(module)\n"
    )
    short = without_branches(method, {"Dead", "Other"})
    assert short == (
        "    def _init_weights(self, module):\n        if isinstance(module, Live):\n            c(module)\n"
        "        else:\n            d(module)\n"
    )


def test_an_else_of_a_dead_kind_keeps_its_condition() -> None:
    method = "    def f(self, module):\n        if isinstance(module, Dead):\n            a()\n        else:\n            b()\n"
    assert without_branches(method, {"Dead"}) == method


def test_what_nothing_reads_any_more_goes() -> None:
    method = (
        "    def f(self, module):\n        if on:\n            factor = 1\n        else:\n            factor = 2\n"
        "        std = 3\n        module.x = 4\n        use(std)\n"
    )
    kept = "    def f(self, module):\n        std = 3\n        module.x = 4\n        use(std)\n"
    assert without_unused(method) == kept


def test_every_configuration_that_is_left_is_exported() -> None:
    text = "class AVisionConfig:\n    pass\n\n\nclass A:\n    pass\n\n\n__all__ = ['A']\n"
    assert export_configs(text).endswith('__all__ = [\n    "AVisionConfig",\n    "A",\n]\n')
    assert export_configs(export_configs(text)) == export_configs(text)


def test_all_of_it_in_one() -> None:
    settled = without_dead_code(MODULAR, MODELING, CONFIGURATION)
    assert (
        "VisionConfig" not in settled and "Tower(" not in settled and settled.count('"QualityGateToyTextConfig"') == 1
    )
    part = "class QualityGateToyVisionConfig(PreTrainedConfig):\n    pass\n\n\n"
    naming = CONFIGURATION.replace("pass", "sub_configs = {'vision': QualityGateToyVisionConfig}")
    assert '__all__ = [\n    "QualityGateToyVisionConfig",\n' in without_dead_code(MODULAR, MODELING, part + naming)
