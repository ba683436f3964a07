"""A delta becomes a modular file of the repository."""

from __future__ import annotations

import pytest
from upstream.conventions import document_outputs, note_branches
from upstream.rewriting import (
    drop_registrations,
    export_classes,
    export_configs,
    hide_decoders,
    import_examples,
    relative_imports,
    relative_module,
    rewrite,
)
from upstream.values import Model

from converter.diagnostics import ConversionError


MODEL = Model("quality_gate_toy", "", "modular/modular_quality_gate_toy.py", ())


@pytest.mark.parametrize(
    ("module", "relative"),
    [
        ("transformers", "..."),
        ("transformers.utils", "...utils"),
        ("transformers.utils.generic", "...utils.generic"),
        ("transformers.models.auto", "..auto"),
        ("transformers.models.llama.modeling_llama", "..llama.modeling_llama"),
        (
            "generated.quality_gate_llama.modeling_quality_gate_llama",
            "..quality_gate_llama.modeling_quality_gate_llama",
        ),
        ("generated.quality_gate_toy.configuration_quality_gate_toy", ".configuration_quality_gate_toy"),
    ],
)
def test_modules_are_named_from_the_folder_of_the_model(module: str, relative: str) -> None:
    assert relative_module(module, "quality_gate_toy") == relative


def test_imports_become_relative_and_nothing_else_changes() -> None:
    text = (
        "from transformers import initialization as init\n"
        "from transformers.models.llama.modeling_llama import (\n    LlamaMLP,\n)\n"
        "from huggingface_hub.dataclasses import strict\n"
        'NOTE = """\nfrom transformers.utils import x\n"""\n'
    )
    assert relative_imports(text, MODEL) == (
        "from ... import initialization as init\n"
        "from ..llama.modeling_llama import (\n    LlamaMLP,\n)\n"
        "from huggingface_hub.dataclasses import strict\n"
        'NOTE = """\nfrom transformers.utils import x\n"""\n'
    )


def test_a_plain_import_of_transformers_is_refused_with_its_line() -> None:
    with pytest.raises(ConversionError) as refusal:
        relative_imports("import math\nimport transformers.utils\n", MODEL)
    (problem,) = refusal.value.diagnostics
    assert (problem.code, problem.line) == ("absolute-import", 2)


def test_examples_import_from_transformers() -> None:
    text = '"""\n    >>> from generated.quality_gate_toy import QualityGateToyConfig\n"""\n'
    assert import_examples(text, MODEL) == '"""\n    >>> from transformers import QualityGateToyConfig\n"""\n'


REGISTERING = """\
class QualityGateToyPreTrainedModel(ToyPreTrainedModel):
    _supports_sdpa = True

    def __init__(self, config, *inputs, **kwargs):
        text_config = config.get_text_config()
        check_quality_gate_config(text_config)
        # Nothing else tells AutoModel
        AutoModel._model_mapping.register(type(config), QualityGateToyModel, exist_ok=True)
        for ours, base in (("quality_gate_toy", "toy"),):
            register_checkpoint_conversion_mapping(ours, base)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    def forward(self):
        pass
"""


def test_registrations_go_and_an_init_that_does_nothing_else() -> None:
    assert drop_registrations(REGISTERING, MODEL) == (
        "class QualityGateToyPreTrainedModel(ToyPreTrainedModel):\n"
        "    _supports_sdpa = True\n\n"
        "    def forward(self):\n        pass\n"
    )


def test_a_branch_with_nothing_else_goes_too() -> None:
    call = "AutoModel._model_mapping.register(type(config), QualityGateToyModel)"
    body = f"        if gated(config):\n            check_toy_config(config)\n            # Why\n            {call}\n"
    text = f"class A(B):\n    x = 1\n\n    def __init__(self, config):\n{body}        B.__init__(self, config)\n"
    assert drop_registrations(text, MODEL) == "class A(B):\n    x = 1\n"
    kept = drop_registrations(text.replace("            # Why", "            self.y = 2\n            # Why"), MODEL)
    assert "register" in kept and "self.y = 2" in kept


def test_an_init_that_does_something_stays_without_its_registrations() -> None:
    text = REGISTERING.replace(
        "        PreTrainedModel.__init__", "        self.gates = make()\n        PreTrainedModel.__init__"
    )
    kept = drop_registrations(text, MODEL)
    assert "self.gates = make()" in kept and "PreTrainedModel.__init__" in kept
    assert "register" not in kept and "Nothing else tells" not in kept


def test_an_init_without_registrations_is_left_alone() -> None:
    text = "class A(B):\n    def __init__(self, config):\n        check_toy_config(config)\n        B.__init__(self, config)\n"
    assert drop_registrations(text, MODEL) == text


def test_all_names_classes_alone() -> None:
    text = 'class A:\n    pass\n\n\ndef f():\n    pass\n\n\n__all__ = ["A", "f"]\n'
    assert export_classes(text, MODEL).endswith('__all__ = [\n    "A",\n]\n')


def test_all_names_every_configuration() -> None:
    text = "class AVisionConfig:\n    pass\n\n\nclass A:\n    pass\n\n\n__all__ = ['A']\n"
    assert export_configs(text).endswith('__all__ = [\n    "AVisionConfig",\n    "A",\n]\n')


def test_all_names_no_network_within_a_model() -> None:
    text = 'class ATransformer:\n    pass\n\n\nclass AModel:\n    pass\n\n\n__all__ = ["ATransformer", "AModel"]\n'
    assert export_classes(text, MODEL).endswith('__all__ = [\n    "AModel",\n]\n')


def test_outputs_get_a_documentation_and_keep_their_fields() -> None:
    text = (
        "@dataclass\nclass ToyOutput(ModelOutput):\n"
        '    """\n    What the gates add.\n\n    lm_loss (`float`):\n        The "loss".\n    """\n\n'
        "    lm_loss: float | None = None\n"
    )
    assert document_outputs(text, MODEL) == (
        '@auto_docstring(custom_intro="What the gates add.")\n@dataclass\nclass ToyOutput(ModelOutput):\n'
        '    r"""\n    lm_loss (`float`):\n        The "loss".\n    """\n\n'
        "    lm_loss: float | None = None\n"
    )


def test_an_output_that_describes_fields_alone_has_no_introduction() -> None:
    text = '@dataclass\nclass ToyOutput(ModelOutput):\n    """\n    a (`int`):\n        A.\n    """\n\n    a: int\n'
    documented = document_outputs(text, MODEL)
    assert documented.startswith(
        '@auto_docstring\n@dataclass\nclass ToyOutput(ModelOutput):\n    r"""\n    a (`int`):\n'
    )
    assert "custom_intro" not in documented


def test_an_output_without_fields_describes_those_behind_its_first_base() -> None:
    text = '@dataclass\nclass ToyCausalLMOutput(ToyOutput, CausalLMOutputWithPast):\n    """What it says."""\n'
    documented = document_outputs(text, MODEL)
    assert "    loss (`torch.FloatTensor`" in documented and "    logits (`torch.FloatTensor`" in documented
    assert document_outputs(documented, MODEL) == documented


def test_an_output_with_nothing_to_describe_passes() -> None:
    text = '@dataclass\nclass ToyModelOutput(ToyOutput, BaseModelOutputWithPast):\n    """What it says."""\n'
    assert document_outputs(text, MODEL).endswith("BaseModelOutputWithPast):\n    pass\n")


BRANCHES = """\
class ToyConfig:
    quality_loss_type: str = "linear"


def loss(config):
    if config.quality_loss_type == "a":
        x = 1
    elif config.quality_loss_type == "b":
        x = 2
    y = 1 if config.quality_loss_type else 2
    if config.of_the_base:
        x = 3
    if config.quality_loss_type == "c":
        raise ValueError
    # CODEPATH: said already
    if config.quality_loss_type:
        x = 4
"""


def test_branches_on_fields_of_the_gates_are_noted_once() -> None:
    noted = note_branches(BRANCHES, MODEL)
    assert noted.count("# CODEPATH: `quality_loss_type` is a training option") == 3
    assert note_branches(noted, MODEL) == noted
    compile(noted, "noted", "exec")


def test_the_header_has_this_year() -> None:
    model = Model("quality_gate_toy", "# Copyright 1999 Somebody.\n#\n__all__ = []\n", "p", ())
    assert rewrite(model, 2031).startswith("# Copyright 2031 The Quality Gate team and the HuggingFace Inc. team.")


def test_all_names_no_decoder_that_the_base_hides() -> None:
    text = '__all__ = [\n    "QualityGateToyDecoder",\n    "QualityGateToyModel",\n]\n'
    assert hide_decoders(text, '__all__ = ["ToyModel"]\n') == '__all__ = [\n    "QualityGateToyModel",\n]\n'
    for base in ('__all__ = ["ToyModel", "ToyDecoder"]\n', "__all__ = []\n"):
        alone = text.replace('    "QualityGateToyModel",\n', "")
        assert hide_decoders(alone, base) == alone
    assert hide_decoders(text, '__all__ = ["ToyModel", "ToyDecoder"]\n') == text
