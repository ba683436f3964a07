"""What is read off the text of a generated file, one small class at a time: lineages, attributes, layers around their gate."""

from __future__ import annotations

import ast

import pytest
from facts import text
from facts.layers import gate_class, layer_classes
from facts.peculiar import PeculiarError, Peculiarities, read_peculiarities
from facts.project import generated_models, package_of, packages_of_others
from facts.read import read_facts
from facts.values import Abilities, ConfigFacts, LayerFacts, ModelClass, ModelFacts
from syntax.modules import Module, module_of


CLASSES = module_of(
    """
def helper():
    return SIZE

SIZE = 3

class ToyPreTrainedModel(PreTrainedModel):
    config: "ToyConfig"
    _supports = True

class ToyBase(ToyPreTrainedModel):
    config: ToyTextConfig
    _keys = ["a", "b"]

    def forward(self, x, /, y, *more, z=1, **kwargs):
        return helper()

class ToyModel(ToyBase, Elsewhere):
    _supports = "True"

class Apart:
    config = 1

__all__ = ["helper", "ToyPreTrainedModel", "ToyModel"]
"""
)


def test_a_class_has_what_its_nearest_ancestor_says() -> None:
    assert text.abstract(CLASSES) == "ToyPreTrainedModel"
    assert [node.name for node in text.lineage(CLASSES, "ToyModel")] == ["ToyModel", "ToyBase", "ToyPreTrainedModel"]
    assert text.lineage(CLASSES, "helper") == text.lineage(CLASSES, "Nothing") == []
    assert text.annotation(CLASSES, "ToyModel", "config") == "ToyTextConfig"
    assert text.annotation(CLASSES, "ToyPreTrainedModel", "config") == "ToyConfig"
    assert text.annotation(CLASSES, "Apart", "config") == text.annotation(CLASSES, "Nothing", "config") == ""
    supports = [text.attribute(CLASSES, name, "_supports") for name in ("ToyBase", "ToyModel", "Apart", "Nothing")]
    assert [text.says_true(each) for each in supports] == [True, False, False, False]
    assert supports[1] is not None and supports[2] is None


def test_a_method_is_that_of_the_nearest_ancestor_with_what_it_takes() -> None:
    assert text.arguments(CLASSES, "ToyModel", "forward") == ("x", "y", "z")
    assert text.arguments(CLASSES, "ToyModel", "backward") == text.arguments(CLASSES, "Nothing", "forward") == ()
    assert text.method(CLASSES, "ToyModel", "forward") is text.method(CLASSES, "ToyBase", "forward") is not None
    assert text.method(CLASSES, "Nothing", "forward") is None


def test_what_a_class_refers_to_is_reached_but_not_through_the_abstract_one() -> None:
    found = [getattr(node, "name", "SIZE") for node in text.reached(CLASSES, "ToyModel")]
    assert found == ["ToyModel", "ToyBase", "helper", "SIZE"]
    assert text.reached(CLASSES, "Nothing") == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("self.a = 1", {"a": ("1", False)}),
        ("self.a = self.b = f(x)", {"a": ("f(x)", False), "b": ("f(x)", False)}),
        ("self.a = None", {"a": ("None", True)}),
        ("self.a = f() if x else None", {"a": ("f() if x else None", True)}),
        ("self.a = f() if x else (None if y else g())", {"a": ("f() if x else None if y else g()", True)}),
        ("if x:\n        self.a = 1", {"a": ("1", True)}),
        ("if x:\n        self.a = 1\n    else:\n        self.a = 2", {"a": ("1", False)}),
        ("if x:\n        self.a = 1\n    else:\n        self.a = None", {"a": ("1", True)}),
        ("self.a = None\n    self.a = f()", {"a": ("None", False)}),
        ("for y in x:\n        self.a = y", {"a": ("y", True)}),
        ("a = other.b = self.c.d = 1", {}),
        ("self.a: int = 1", {}),
    ],
)
def test_attributes_have_their_first_value_and_whether_there_may_be_none(
    body: str, expected: dict[str, tuple[str, bool]]
) -> None:
    (function,) = ast.parse(f"def __init__(self, x, y):\n    {body}").body
    assert isinstance(function, ast.FunctionDef)
    found = {name: (ast.unparse(value), maybe) for name, (value, maybe) in text.assigned(function).items()}
    assert found == expected


INIT = """
    def __init__(self, config):
        self.norm = Norm(config)
        self.mlp = MLP(config)
        self.other = MLP(config) if config.two else None
        self.quality_gate = ToyGate(config)
"""


def layered(forward: str, init: str = INIT, more: str = "") -> Module:
    lines = "".join(f"        {line}\n" for line in forward.split("\n"))
    classes = f"class ToyGate(nn.Module):\n    pass\n\n\nclass ToyLayer(nn.Module):{init}\n    def forward(self, x):\n{lines}"
    return module_of(f"{classes}\n{more}\n")


@pytest.mark.parametrize(
    ("forward", "norm", "feed_forward"),
    [
        ("h = self.norm(x)\n_, r = self.quality_gate(h)\nreturn x + r * self.mlp(h)", "norm", "mlp"),
        ("_, r = self.quality_gate(x)\nreturn r * self.mlp(x)", "", "mlp"),
        ("_, r = self.quality_gate(self.norm(x))\nreturn r", "", ""),
        ("h = self.norm(x)\nh = h + x\n_, r = self.quality_gate(h)\nreturn self.mlp(h)", "", "mlp"),
        ("h = self.norm(x)\n_, r = self.quality_gate(h)\nh = h * r\nreturn self.mlp(h)", "norm", ""),
        ("h = self.norm(x)\n_, r = self.quality_gate(h)\nreturn self.mlp(h, r)", "norm", ""),
        ("h = self.norm(x)\n_, r = self.quality_gate(h)\nreturn self.mlp(h) + self.last(h)", "norm", ""),
        ("h = self.norm(x)\n_, r = self.quality_gate(h)\nreturn self.experts.shared(h)", "norm", ""),
        ("h = self.norm(x)\n_, r = self.quality_gate(h)\nreturn self.other(h)", "norm", ""),
        ("if a:\n    h = self.norm(x)\nelse:\n    h = self.last(x)\n_, r = self.quality_gate(h)\nreturn self.mlp(h)", "", "mlp"),
        (
            "h = self.norm(x)\n_, r = self.quality_gate(h)\nif a:\n    y = self.mlp(h)\nelse:\n    y = self.mlp(h)\nreturn y",
            "norm",
            "mlp",
        ),
        ("h = self.norm(x)\n_, r = self.quality_gate(h, x)\nreturn self.mlp(h)", "norm", "mlp"),
    ],
)  # fmt: skip
def test_what_a_gate_reads_and_who_else_reads_it(forward: str, norm: str, feed_forward: str) -> None:
    (layer,) = layer_classes(layered(forward), "quality_gate")
    assert (layer.name, layer.gated_norm, layer.feed_forward) == ("ToyLayer", norm, feed_forward)
    assert layer.has_gate and not layer.gate_is_conditional
    assert layer.attributes == ("norm", "mlp", "other", "quality_gate")


def test_a_gate_may_depend_on_the_layer() -> None:
    init = INIT.replace("ToyGate(config)", "ToyGate(config) if config.on else None")
    (layer,) = layer_classes(layered("return x", init), "quality_gate")
    assert layer.has_gate and layer.gate_is_conditional


BESIDE = """
class PlainDecoderLayer(nn.Module):
    def forward(self, x):
        return x

class NoDecoderLayer(nn.Module):
    pass

class Another(nn.Module):
    def forward(self, x):
        return x
"""


def test_layers_beside_those_with_gates_are_told_and_nothing_else_is() -> None:
    found = layer_classes(layered("return x", more=BESIDE), "quality_gate")
    assert [(layer.name, layer.has_gate) for layer in found] == [("ToyLayer", True), ("PlainDecoderLayer", False)]


INSIDE = """
class ToyGate(nn.Module):
    pass

class ToyAttention(nn.Module):
    def __init__(self, config):
        self.attention_gate = build(ToyGate, config)

KINDS = {"full": ToyAttention}

class ToyMixer(nn.Module):
    def __init__(self, config):
        self.inner = KINDS[config.kind](config)

class ToyBlock(nn.Module):
    def __init__(self, config):
        self.mixer = ToyMixer(config)

class ToyEncoder(nn.Module):
    def __init__(self, config):
        self.layers = [ToyBlock(config)]

class ToyHeadLayer(nn.Module):
    def __init__(self, config):
        self.encoder = ToyEncoder(config)
"""


def test_a_gate_inside_of_attention_is_the_layers_through_tables_and_parts() -> None:
    found = layer_classes(module_of(INSIDE), "attention_gate")
    assert [(layer.name, layer.has_gate) for layer in found] == [("ToyBlock", True)]
    assert gate_class(module_of(INSIDE), "attention_gate") == "ToyGate"
    assert gate_class(layered("return x"), "quality_gate") == "ToyGate"


@pytest.mark.parametrize(("gate", "said"), [("none_gate", "no class of the modeling file has a `none_gate`")])
def test_a_file_without_gates_is_refused(gate: str, said: str) -> None:
    with pytest.raises(LookupError, match=said):
        layer_classes(layered("return x"), gate)
    with pytest.raises(LookupError, match=f"no layer constructs its `{gate}`"):
        gate_class(layered("return x"), gate)
    elsewhere = layered("return x", INIT.replace("ToyGate(config)", "elsewhere.Gate(config)"))
    with pytest.raises(LookupError, match="no layer constructs its `quality_gate`"):
        gate_class(elsewhere, "quality_gate")


FILES = {
    "configuration_quality_gate_toy.py": 'class QualityGateToyConfig(C):\n    model_type = "t"\n__all__ = ["QualityGateToyConfig"]\n',
    "modeling_quality_gate_toy.py": (
        "class QualityGateToyPreTrainedModel(P):\n    config: QualityGateToyConfig\n\n"
        f"class QualityGateToyGate:\n    pass\n\nclass QualityGateToyLayer:{INIT.replace('ToyGate', 'QualityGateToyGate')}\n"
        "class QualityGateToyModel(QualityGateToyPreTrainedModel):\n    def forward(self, ids): ...\n\n"
        "class QualityGateToyThing(QualityGateToyPreTrainedModel):\n    pass\n\n"
        '__all__ = ["QualityGateToyPreTrainedModel", "QualityGateToyModel", "QualityGateToyThing"]\n'
    ),
}


def test_models_are_what_is_exported_and_has_a_role() -> None:
    facts = read_facts("quality_gate_toy", FILES)
    assert facts == read_facts("toy", FILES) and facts.causal_lm is None
    assert [(each.name, each.role, each.arguments) for each in facts.models] == [
        ("QualityGateToyModel", "Model", ("ids",))
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (
            "modeling",
            '"QualityGateToyModel", "QualityGateToyThing"',
            '"QualityGateToyThing"',
            "exports no model: QualityGateToyPre",
        ),
        (
            "modeling",
            "config: QualityGateToyConfig",
            "config: OtherConfig",
            "exports no base model that configuration",
        ),
        ("modeling", "quality_gate", "gate", "no class of the modeling file has a `quality_gate`"),
    ],
)
def test_what_a_package_lacks_is_named(name: str, old: str, new: str, said: str) -> None:
    file = f"{name}_quality_gate_toy.py"
    assert old in FILES[file]
    with pytest.raises(LookupError, match=said):
        read_facts("toy", {**FILES, file: FILES[file].replace(old, new)})


CONFIG = ConfigFacts("QualityGateToyConfig", "t", {}, sub_configs=("vision_config",))
TEXT = ConfigFacts("QualityGateToyTextConfig", "tt", {})
LAYER = LayerFacts("L", True, False, "", "", ())


def test_models_of_images_are_told_from_those_of_text() -> None:
    models = (ModelClass("A", "Model", TEXT.name), ModelClass("B", "ForX", CONFIG.name))
    facts = ModelFacts(
        *("toy", "quality_gate_toy", "QualityGateToy", "Toy"), {each.name: each for each in (CONFIG, TEXT)}, TEXT,
        *(models, models[0], None, (LAYER,), "G", "", Abilities(*[False] * 19)),
    )  # fmt: skip
    assert facts.image_config is CONFIG and CONFIG.is_composite and not TEXT.is_composite
    assert (facts.text_models, facts.image_models) == (models[:1], models[1:]) and facts.every_layer_has_a_gate
    for other in (LayerFacts("M", True, True, "", "", ()), LayerFacts("M", False, False, "", "", ())):
        object.__setattr__(facts, "layers", (LAYER, other))
        assert not facts.every_layer_has_a_gate


def test_packages_are_found_by_their_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("generated")
    for name in ("quality_gate_b", "quality_gate_a", "memory_gate_a", "other"):
        (folder / name).mkdir()
        (folder / name / f"modeling_{name}.py").touch()
    (folder / "quality_gate_empty").mkdir()
    assert generated_models(folder) == ["a", "b"] and packages_of_others(folder) == ["memory_gate_a"]
    assert [package_of(name) for name in ("a", "quality_gate_a", "memory_gate_a")] == [
        "quality_gate_a",
        "quality_gate_a",
        "memory_gate_a",
    ]


@pytest.mark.parametrize(
    "content", ["tests = 3", "tests = true", "tests = 1979-05-27", "features = 1.5", "experts = 3"]
)
def test_an_entry_without_a_reason_is_refused_whatever_else_it_says(content: str) -> None:
    section = {"tests": "skip", "features": "lacks", "experts": "checkpoint"}[content.split()[0]]
    with pytest.raises(PeculiarError, match="no-reason"):
        read_peculiarities(f"[[{section}]]\n{content}\n", "toy.toml")
    assert read_peculiarities("", "toy.toml") == Peculiarities("toy.toml")
