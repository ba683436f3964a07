"""The import statements of a woven delta: one for each name that it uses, and none else."""

from __future__ import annotations

import ast

from toy_deltas import PLAIN, base, converted, written
from weave.imports import import_block


def block(body: str, own: str = "") -> str:
    return import_block(ast.parse(body), base(), own)


def test_names_come_from_where_base_and_gate_have_them() -> None:
    found = block(
        "class A(ToyMLP):\n    x = ACT2FN\n    y = ToyConfig\n    z = QualityGateLlamaGate\n    w = math.inf\n"
    )
    assert found.split("\n\n") == [
        "import math",
        "\n".join(
            [
                "from generated.quality_gate_llama.modeling_quality_gate_llama import QualityGateLlamaGate",
                "from transformers.activations import ACT2FN",
                "from transformers.models.toy.configuration_toy import ToyConfig",
                "from transformers.models.toy.modeling_toy import ToyMLP",
            ]
        ),
    ]


def test_what_is_defined_or_built_in_is_not_imported() -> None:
    assert block("X = 1\n\n\ndef f(a):\n    b = len(a)\n    return b + X\n\n\nclass A:\n    pass\n\n\nB = A\n") == ""


def test_the_delta_s_own_imports_go_first() -> None:
    found = block("x = ACT2FN\n", "from mine import ACT2FN\nimport math")
    assert found == "import math\n\nfrom mine import ACT2FN"


def test_what_is_exported_is_imported() -> None:
    assert "import quality_classification_loss" in block('__all__ = ["quality_classification_loss"]\n')


def test_the_text_binds_every_name_that_it_uses() -> None:
    tree = ast.parse(written())
    bound = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom | ast.Import)
        for alias in node.names
    }
    names = [alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert len({each.asname or each.name for each in names}) == len(names)
    assert {"torch", "ToyDecoderLayer", "QualityGateLlamaGate"} <= bound


def test_an_import_of_a_delta_reaches_the_model() -> None:
    text = (
        PLAIN.replace("\nfrom gates", "\nimport math\n\nfrom gates")
        + "\n    def extra(self):\n        return math.pi\n"
    )
    assert "\nimport math\n" in converted(text)["modeling"]
