"""What the gates add to a call is documented where a model takes it, and what only this project needs stays here."""

from __future__ import annotations

import ast

from exported_llama import export, exported_tree
from upstream.examples import complete_examples
from upstream.forwards import document_forwards
from upstream.heads import spell_out_heads
from upstream.layout import configuration_path, modeling_path, modular_path
from upstream.leaving import know_gates, leave_files, leave_printing
from upstream.places import installed_tree
from upstream.values import Model


MODEL = Model("quality_gate_toy", "", "modular/modular_quality_gate_toy.py", ())
NAME = "quality_gate_llama"
IMPORT = "from ..quality_gate_llama.modeling_quality_gate_llama import returns_quality_scores\n"


def test_decorated_forwards_are_documented_and_bare_ones_inherit() -> None:
    text = (
        "class ToyForCausalLM(A):\n    @returns\n    def forward(self):\n        pass\n\n\n"
        "class ToyModel(A):\n    def forward(self):\n        pass\n\n\n"
        "class ToyLayer(A):\n    @returns\n    def forward(self):\n        pass\n"
    )
    documented = document_forwards(text, {})
    assert documented.count("auto_docstring") == 1
    assert "    @returns\n    @auto_docstring\n    def forward" in documented.split("class ToyModel")[0]


def test_inputs_of_the_gates_are_documented_outermost() -> None:
    head = "class ToyDecoder(A):\n"
    above = "    @returns_quality_scores(O)\n    @capture_outputs\n"
    method = "    def forward(self):\n        pass\n"
    documented = document_forwards(f"{IMPORT}\n\n{head}{above}    @auto_docstring\n{method}", {})
    assert documented.startswith(IMPORT.replace("returns_quality_scores", "QUALITY_GATE_INPUTS") + IMPORT)
    assert documented.endswith(f"{head}    @auto_docstring(custom_args=QUALITY_GATE_INPUTS)\n{above}{method}")
    introduced = document_forwards(f'{IMPORT}{head}{above}    @auto_docstring(custom_intro="It.")\n{method}', {})
    assert "    @auto_docstring(custom_intro='It.', custom_args=QUALITY_GATE_INPUTS)\n    @returns" in introduced


def test_entries_of_a_docstring_come_first() -> None:
    own = '        r"""\n        labels (`int`):\n            Mine.\n\n        Example:\n\n        ```python\n        >>> 1\n        ```"""\n'
    text = f"class ToyForCausalLM(A):\n    @returns_quality_scores(O)\n    def forward(self):\n{own}        pass\n"
    documented = document_forwards(text, {})
    assert documented.startswith("class ToyForCausalLM(A):\n    @auto_docstring\n    @returns_quality_scores(O)\n")
    (node,) = [each for each in ast.walk(ast.parse(documented)) if isinstance(each, ast.FunctionDef)]
    said = ast.get_docstring(node) or ""
    assert said.startswith("labels (`int`):\n    Mine.\nquality_labels (`torch.Tensor`")
    assert said.endswith("they are returned.\n\nExample:\n\n```python\n>>> 1\n```")


def test_entries_of_a_parent_are_taken_over_and_those_below_args_are_further_in() -> None:
    (parent,) = ast.parse(
        'class A:\n    def forward(self):\n        """\n        Args:\n            x (int):\n                Its.\n        """\n'
    ).body
    assert isinstance(parent, ast.ClassDef)
    text = "class ToyDecoder(A):\n    @returns_quality_scores(O)\n    def forward(self, output_quality_logits=False):\n        pass\n"
    (node,) = [
        each
        for each in ast.walk(ast.parse(document_forwards(text, {"A": parent})))
        if isinstance(each, ast.FunctionDef)
    ]
    said = ast.get_docstring(node) or ""
    assert said.startswith("Args:\n    x (int):\n        Its.\n    quality_labels (`torch.Tensor`")
    assert "\n    output_quality_logits (`bool`, *optional*, defaults to `False`):\n        Whether" in said


def test_the_inputs_are_described_where_the_decorator_is_defined() -> None:
    text = "def returns_quality_scores(o):\n    return o\n\n\n"
    text += "class ToyModel(A):\n    @returns_quality_scores(O)\n    def forward(self):\n        pass\n"
    documented = document_forwards(text, {})
    assert documented.startswith('QUALITY_GATE_INPUTS = r"""\n    quality_labels (`torch.Tensor`')
    assert documented.count("QUALITY_GATE_INPUTS = ") == 1 and "import" not in documented


def test_a_head_is_written_out_with_the_inputs_of_the_original() -> None:
    text = (
        f"{IMPORT}\n\nclass ToyForTokenClassification(A):\n"
        "    forward = returns_quality_scores(O)(GenericForTokenClassification.forward)\n"
    )
    written = spell_out_heads(text, installed_tree())
    (node,) = [each for each in ast.walk(ast.parse(written)) if isinstance(each, ast.FunctionDef)]
    names = [each.arg for each in node.args.args]
    assert [ast.unparse(each) for each in node.decorator_list] == [
        "returns_quality_scores(O)",
    ]
    assert names[:3] == ["self", "input_ids", "attention_mask"] and "labels" in names and node.args.kwarg
    (call,) = node.body
    passed = ", ".join(["self", *(f"{name}={name}" for name in names[1:]), "**kwargs"])
    assert ast.unparse(call) == f"return GenericForTokenClassification.forward({passed})"
    for line in ("from ...cache_utils import Cache\n", "from ...processing_utils import Unpack\n", "import torch\n"):
        assert line in written


def test_a_head_of_another_kind_stays() -> None:
    for forward in ("returns_quality_scores(O)(GenericForNothing.forward)", "balances(ToyForCausalLM.forward)"):
        text = f"class ToyForNothing(A):\n    forward = {forward}\n"
        assert spell_out_heads(text, installed_tree()) == text


def test_examples_are_complete_and_of_the_right_checkpoint() -> None:
    docstring = '    r"""\n    ```python\n    >>> outputs = model(**inputs, output_router_logits=True)\n    ```"""\n'
    text = (
        '@auto_docstring(checkpoint="a/whole")\nclass ToyConfig:\n    pass\n\n\n'
        '@auto_docstring(checkpoint="a/text")\nclass ToyTextConfig:\n    pass\n\n\n'
        f"class ToyForCausalLM:\n{docstring}\n\nclass ToyModel:\n{docstring}\n\nclass ToyInner:\n{docstring}\n\n"
        '__all__ = ["ToyForCausalLM", "ToyModel"]\n'
    )
    completed = complete_examples(text)
    assert '    >>> model = ToyForCausalLM.from_pretrained("a/text")\n' in completed
    assert '    >>> model = ToyModel.from_pretrained("a/whole")\n' in completed
    assert completed.count(">>> inputs = tokenizer(") == 2 and "ToyInner.from" not in completed
    assert complete_examples(completed) == completed
    told = complete_examples(text, "b/text")
    assert told == completed.replace("a/text", "b/text", 3).replace('checkpoint="b/text"', 'checkpoint="a/text"')


def test_nothing_saves_gates_alone() -> None:
    text = (
        "import torch\n\n\n"
        "@torch.no_grad()\ndef load_quality_gates(model, folder):\n    pass\n\n\n"
        "class ToyPreTrainedModel(A):\n    quality_layers = quality_layers\n    save_quality_gates = save_quality_gates\n"
        "    load_quality_gates = load_quality_gates\n"
    )
    left = leave_files(text, MODEL)
    assert left == "import torch\n\n\n\nclass ToyPreTrainedModel(A):\n    quality_layers = quality_layers\n"


def test_nothing_prints() -> None:
    text = (
        'class ToyConfig:\n    r"""\n    a (`int`):\n        A.\n    quality_loss_debug (`bool`):\n        Whether to print.\n'
        '    """\n\n    a: int = 1\n    quality_loss_debug: bool = False\n\n\n'
        'def loss(config, debug: bool = False):\n    """\n    Args:\n        config: all.\n        debug: whether to print\n'
        '            it.\n    """\n    if debug and now():\n        print_quality_scores(config)\n    return 1\n\n\n'
        "def print_quality_scores(config):\n    print(config)\n\n\nx = loss(c, config.quality_loss_debug, 2)\n"
    )
    text = text.replace("config, debug: bool = False)", "\n    config,\n    debug: bool = False,\n)")
    assert leave_printing(text, MODEL) == (
        'class ToyConfig:\n    r"""\n    a (`int`):\n        A.\n    """\n\n    a: int = 1\n\n\n'
        'def loss(\n    config,\n):\n    """\n    Args:\n        config: all.\n    """\n    return 1\n\n\n\nx = loss(c, 2)\n'
    )


def test_a_gate_is_known_by_its_class() -> None:
    text = (
        '    _can_record_outputs = {"quality_logits": OutputRecorder(ToyGate, index=0)}\n'
        "        self.gate.scores_quality = True  # why\n"
        '        if getattr(module, "scores_quality", False):\n'
        "            init.normal_(module.weight, mean=mean, std=std)\n"
        "        init.zeros_(module.weight)\n"
    )
    assert know_gates(text, MODEL) == (
        '    _can_record_outputs = {"quality_logits": OutputRecorder(ToyGate, index=0)}\n'
        "        if isinstance(module, ToyGate):\n"
        "            init.normal_(module.gate.weight, mean=mean, std=std)\n"
        "        init.zeros_(module.weight)\n"
    )


def test_the_exported_llama_has_all_of_it() -> None:
    tree = exported_tree()
    modular, modeling = tree.read(modular_path(NAME)) or "", tree.read(modeling_path(NAME)) or ""
    everything = modular + modeling + (tree.read(configuration_path(NAME)) or "")
    for gone in ("save_quality_gates", "load_quality_gates", "safetensors", "print(", "debug", "scores_quality ="):
        assert gone not in everything, gone
    assert 'getattr(module, "scores_quality"' not in everything
    assert modeling.count("    @auto_docstring(custom_args=QUALITY_GATE_INPUTS)\n") == len(export().facts.models)
    assert "isinstance(module, QualityGateLlamaGate)" in modeling and "forward = " not in modeling
