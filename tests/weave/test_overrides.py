"""What a short delta says besides places, seen in the files that are generated from it."""

from __future__ import annotations

import pytest
from toy_deltas import PLACE, PLAIN, converted, decorators, members, refusal, written


CONFIG = "QualityGateToyConfig"
LAYER = "QualityGateToyDecoderLayer"


def with_class(text: str) -> dict[str, str]:
    """The generated files of the plain delta and a class more."""
    return converted(f"{PLAIN}\n\n{text}")


def test_the_default_of_a_field() -> None:
    files = with_class(f"class {CONFIG}(base.ToyConfig):\n    quality_loss_weight: float | int = 0.25\n")
    found = members(files["configuration"], CONFIG)
    assert found["quality_loss_weight"] == "quality_loss_weight: float | int = 0.25"
    plain = members(converted()["configuration"], CONFIG)
    assert {name for name in plain if plain[name] != found[name]} == {"quality_loss_weight"}


def test_a_field_of_the_base_and_a_new_one() -> None:
    files = with_class(f"class {CONFIG}(base.ToyConfig):\n    toy_scale: float = 3.0\n    depth: int = 2\n")
    found = members(files["configuration"], CONFIG)
    assert (found["toy_scale"], found["depth"]) == ("toy_scale: float = 3.0", "depth: int = 2")


def test_an_entry_of_a_docstring() -> None:
    text = f'class {CONFIG}(base.ToyConfig):\n    r"""\n    toy_scale (`float`, *optional*, defaults to 1.0):\n        Mine.\n    """\n'
    found = members(with_class(text)["configuration"], CONFIG)[""]
    plain = members(converted()["configuration"], CONFIG)[""]
    assert found == plain.replace("What embeddings are multiplied by.", "Mine.") != plain


def test_a_whole_docstring() -> None:
    files = converted(PLAIN.replace(PLACE, '    """A layer of mine."""\n\n' + PLACE))
    assert members(files["modeling"], LAYER)[""] == "A layer of mine."


def test_decorators_replace_the_base_s() -> None:
    text = "from transformers.utils import auto_docstring\n\n\n@auto_docstring(checkpoint='mine/mine')\n"
    files = with_class(f"{text}class {CONFIG}(base.ToyConfig):\n    pass\n")
    assert decorators(converted()["configuration"], CONFIG) == ["auto_docstring(checkpoint='toys/toy')", "strict"]
    assert decorators(files["configuration"], CONFIG) == ["auto_docstring(checkpoint='mine/mine')"]


def test_a_method_written_whole() -> None:
    files = with_class("class QualityGateToyMLP(base.ToyMLP):\n    def forward(self, x):\n        return x\n")
    found = members(files["modeling"], "QualityGateToyMLP")
    assert found["forward"] == "def forward(self, x):\n    return x"
    assert "self.up_proj" in found["__init__"] and found[""] == "Two maps and what is between them."


def test_a_method_around_the_gated_one() -> None:
    text = f"""{PLAIN}
    def forward(self, hidden_states, **super_kwargs):
        check(hidden_states)
        return super().forward(hidden_states, **super_kwargs)


def check(x):
    assert x
"""
    files = converted(text)
    body = members(files["modeling"], LAYER)["forward"]
    assert body.index("check(hidden_states)") < body.index("self.self_attn(") < body.index("self.quality_gate(")
    assert "def check(x):" in files["modeling"]


def test_a_constructor_around_the_gated_one() -> None:
    text = "\n    def __init__(self, config, layer_idx):\n        super().__init__(config, layer_idx)\n        self.mine = config.toy_scale\n"
    body = members(converted(PLAIN + text)["modeling"], LAYER)["__init__"]
    assert (
        body.index("self.mlp = ")
        < body.index("self.quality_gate = QualityGateToyGate(config)")
        < body.index("self.mine = ")
    )


def test_a_new_method_and_attribute() -> None:
    found = members(
        converted(PLAIN + "\n    kind = 'mine'\n\n    def extra_repr(self):\n        return self.kind\n")["modeling"],
        LAYER,
    )
    assert found["kind"] == "kind = 'mine'" and "return self.kind" in found["extra_repr"]


def test_an_inherited_method_taken_away() -> None:
    text = 'class QualityGateToyMLP(base.ToyMLP):\n    """Mine."""\n\n    def forward(self):\n        raise AttributeError()\n'
    assert "forward" not in members(with_class(text)["modeling"], "QualityGateToyMLP")


def test_a_function_of_the_base() -> None:
    files = with_class("def rotate_half(x):\n    return 2 * x\n")
    assert "return 2 * x" in files["modeling"] and "return -x" not in files["modeling"]


def test_a_class_a_function_and_a_constant_that_the_base_has_not() -> None:
    text = """\
# Why it is as large as this
SIZE: int = 3


def widened(x):
    return x * SIZE


class Wide(nn.Module):
    def forward(self, x):
        return widened(x)


class QualityGateToyNorm(base.ToyNorm):
    def forward(self, x):
        return Wide()(x)
"""
    found = converted(
        PLAIN.replace("\n\n\nclass", "\n\n\nimport_here\n\n\nclass")
        .replace("import_here\n\n\n", text + "\n\n")
        .replace("\nfrom gates", "\nfrom torch import nn\n\nfrom gates")
    )["modeling"]
    for part in (
        "# Why it is as large as this\nSIZE: int = 3",
        "def widened(x):",
        "class Wide(nn.Module):",
        "return Wide()(x)",
    ):
        assert part in found


def test_a_mixin_above_the_class_that_takes_it() -> None:
    text = PLAIN.replace("class Q", "class Mixin:\n    mine = 1\n\n\nclass Q").replace(
        "DecoderLayer)", "DecoderLayer, Mixin)"
    )
    found = converted(text)["modeling"]
    assert found.index("class Mixin:") < found.index(f"class {LAYER}(GradientCheckpointingLayer, Mixin):")


def test_another_class_in_the_place_of_a_base_s() -> None:
    text = PLAIN.replace(
        "\nfrom trans", "\nfrom transformers.models.llama.modeling_llama import LlamaMLP\nfrom trans", 1
    )
    found = converted(f"{text}\n\nclass QualityGateToyMLP(LlamaMLP):\n    pass\n")["modeling"]
    assert "gate_proj" in members(found, "QualityGateToyMLP")["__init__"]


def test_what_is_exported() -> None:
    names = '["QualityGateToyConfig", "QualityGateToyModel", "QualityGateToyMLP"]'
    files = converted(f"{PLAIN}\n\nclass QualityGateToyMLP(base.ToyMLP):\n    pass\n\n\n__all__ = {names}\n")
    assert '__all__ = ["QualityGateToyConfig"]' in files["configuration"]
    assert set(eval(files["modeling"].rpartition("__all__ = ")[2])) == {"QualityGateToyModel", "QualityGateToyMLP"}


def test_names_of_the_gate_s_modules_are_those_of_the_model() -> None:
    text = PLAIN.replace(
        "\nfrom trans",
        "\nfrom gates.quality.configuration import QUALITY_GATE_CHOICES\nfrom gates.quality.outputs import QualityGateOutput\nfrom trans",
        1,
    )
    found = converted(
        text + "\n    def extra_repr(self):\n        return f'{QUALITY_GATE_CHOICES} {QualityGateOutput}'\n"
    )["modeling"]
    assert "QualityGateToyOutput" in members(found, LAYER)["extra_repr"]
    assert "QUALITY_GATE_CHOICES = {" in found and "import QUALITY_GATE_CHOICES" not in found


def test_the_base_s_own_method_is_called_by_name() -> None:
    text = """\
class QualityGateToyPreTrainedModel(base.ToyPreTrainedModel):
    def _init_weights(self, module):
        base.PreTrainedModel._init_weights(self, module)
"""
    found = members(with_class(text)["modeling"], "QualityGateToyPreTrainedModel")
    assert found["_init_weights"].endswith("super()._init_weights(module)")


def test_comments_and_quotes_of_a_delta_change_nothing() -> None:
    plain = converted()
    for text in (
        PLAIN.replace("class Q", "# a comment\n\n\nclass Q"),
        PLAIN.replace("    quality_gate", "    # here\n    quality_gate"),
        PLAIN.replace('"""', "'"),
        PLAIN.replace('"""Toy', 'r"""Toy é “漢” \\" '),
        PLAIN.replace("quality_gate = Q", "quality_gate = \\\n        Q"),
        PLAIN.replace(":\n    quality_gate", ": quality_gate"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("    quality", "\tquality"),
        "\ufeff" + PLAIN,
    ):
        assert converted(text) == plain


def test_the_header_of_a_delta_is_the_header_of_its_model() -> None:
    assert written().startswith("# Copyright 2026 The Quality Gate team.\n#\n# Licensed under the Apache")
    own = PLAIN.replace("# SPDX-License-Identifier: Apache-2.0", "# Copyright mine\n# SPDX-License-Identifier: MIT")
    assert written(own).startswith("# Copyright mine\n# SPDX-License-Identifier: MIT\n")


def test_a_file_with_a_name_of_its_own_names_its_model_after_it() -> None:
    files = converted(PLAIN.replace("QualityGateToy", "MyGate"), model="my_gate")
    assert members(files["configuration"], "MyGateConfig")["model_type"] == "model_type = 'my_gate'"
    assert "class MyGateForCausalLM(" in files["modeling"] and "Toy" not in files["modeling"].replace("Toys", "")
    problem = refusal(PLAIN, model="my_gate")
    assert (problem.code, problem.line) == ("unknown-class", 8)
    assert problem.fix == "did you mean `MyGateDecoderLayer`? Names follow that of the file, modular_my_gate.py"


@pytest.mark.parametrize(
    ("text", "code", "line", "message"),
    [
        (
            "        super().__init__(config, layer_idx + 1)\n",
            "super-arguments",
            12,
            "`layer_idx + 1` does not reach it",
        ),
        ("        x = super().__init__(config, layer_idx)\n", "nested-super", 12, "would reach past"),
    ],
)
def test_a_call_of_super_that_would_not_say_what_it_says(text: str, code: str, line: int, message: str) -> None:
    problem = refusal(f"{PLAIN}\n    def __init__(self, config, layer_idx):\n{text}")
    assert (problem.code, problem.line) == (code, line) and message in problem.message


def test_nothing_behind_a_return_of_the_gated_forward() -> None:
    text = "\n    def forward(self, hidden_states, **super_kwargs):\n        super().forward(hidden_states, **super_kwargs)\n        print()\n"
    problem = refusal(PLAIN + text)
    assert (problem.code, problem.line) == ("unreachable-statement", 13)
