"""A modular file names the gated model that has a class whole, instead of spelling it out."""

from __future__ import annotations

import ast

import pytest
from exported_llama import exported_tree, setting
from pull_request.borrowing import Loan, borrowed, definitions, loans, with_stubs
from pull_request.compose import Export, compose
from pull_request.layout import modeling_path, modular_path
from pull_request.parents import homes
from pull_request.project import find_models
from pull_request.verify import verify


LINES = 250  # of Qwen3's modular file, with its licence
MODULAR = '''\
from ..base.modeling_base import BaseLayer, BasePreTrainedModel
from ..toy_gate_home.modeling_toy_gate_home import GateHomeGate


class GateToyLayer(BaseLayer):
    def forward(self, x):
        return x


# says what it is
@decorated
class GateToyHead(BaseHead):
    """Toy."""

    scale = 2


class GateToyPreTrainedModel(BasePreTrainedModel):
    pass
'''
MADE = """
class GateToyPreTrainedModel(PreTrainedModel):
    pass


class GateToyLayer(nn.Module):
    def forward(self, x):
        return x


@decorated
class GateToyHead(GateToyPreTrainedModel):
    scale = 2
"""


def test_classes_that_another_model_has_are_found() -> None:
    assert homes(MODULAR) == ["toy_gate_home"]
    of_home = MADE.replace("GateToy", "GateHome")
    found = loans(MODULAR, MADE, "toy_gate_home", of_home)
    assert [each.name for each in found] == ["GateToyLayer", "GateToyHead"], "not what is inherited already"
    assert [each.is_built_on for each in found] == [True, False]
    assert loans(MODULAR, MADE, "toy_gate_home", of_home.replace("scale = 2", "scale = 3"))[1:] == []
    assert loans(MODULAR, MADE, "toy_gate_home", "") == []


def test_they_are_inherited_where_they_stood() -> None:
    module = "..toy_gate_home.modeling_toy_gate_home"
    text = borrowed(MODULAR, [Loan("GateToyHead", "GateHomeHead", module)])
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert ast.unparse(classes[1]) == "class GateToyHead(GateHomeHead):\n    pass"
    assert [each.name for each in classes] == ["GateToyLayer", "GateToyHead", "GateToyPreTrainedModel"]
    assert f"from {module} import GateHomeHead\n" in text and "decorated" not in text and "says what" not in text


def test_classes_that_would_come_from_elsewhere_are_named() -> None:
    text = with_stubs(MODULAR, ["QualityGateMLP"], "base")
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert names == ["QualityGateMLP", "GateToyLayer", "GateToyHead", "GateToyPreTrainedModel"]
    assert "from ..base.modeling_base import MLP\n" in text


@pytest.fixture(scope="module")
def qwen3() -> Export:
    return compose(find_models(["qwen3"])[-1], exported_tree(), setting())


def test_the_modular_file_of_qwen3_is_short(qwen3: Export) -> None:
    modular, modeling = (qwen3.files[path_of("quality_gate_qwen3")] for path_of in (modular_path, modeling_path))
    assert len(modular.splitlines()) <= LINES
    assert "class QualityGateQwen3DecoderLayer(QualityGateLlamaDecoderLayer):\n    pass\n" in modular
    assert "class QualityGateQwen3MLP(Qwen3MLP):\n    pass\n" in modular, "else Llama's would come along"
    assert (
        "class QualityGateQwen3ForTokenClassification(QualityGateLlamaForTokenClassification):\n    pass\n" in modular
    )
    made = definitions(modeling)
    assert (
        "QualityGateLlama" not in modeling and "custom_args=QUALITY_GATE_INPUTS" in made["QualityGateQwen3ForCausalLM"]
    )
    assert modeling.index("QUALITY_GATE_INPUTS = ") < modeling.index("custom_args=QUALITY_GATE_INPUTS")


def test_it_has_no_findings(qwen3: Export) -> None:
    tree = exported_tree().with_changes(qwen3.texts)
    assert [str(each) for each in verify(["quality_gate_qwen3"], tree, setting())] == []
