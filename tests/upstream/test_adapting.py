"""Modular files in the form that another version of their bases asks for, and what they differ in."""

from __future__ import annotations

import ast
from pathlib import Path

from upstream.adapting import adapt, bring_parts, changed_parents, settle_config_docs
from upstream.places import installed_tree
from upstream.values import Tree


MODULAR = '''\
from ...configuration_utils import PreTrainedConfig
from ..toy.configuration_toy import ToyConfig
from ..toy.modeling_toy import ToyLayer


@strict
class GatedToyConfig(ToyConfig):
    r"""
    theirs (`int`, *optional*, defaults to 1):
        As it was.
    gone (`int`, *optional*, defaults to 2):
        Not there any more.
    ours (`float`, *optional*, defaults to 0.5):
        Our own,
        on two lines.

    ```python
    >>> GatedToyConfig()
    ```"""

    ours: float | int = 0.5

    def __post_init__(self, **kwargs):
        kwargs.pop("model_type", None)
        PreTrainedConfig.__post_init__(self, **kwargs)


class GatedToyLayer(ToyLayer):
    def forward(self, x):
        return self.gate(x)
'''
CONFIGURATION = '''\
class ToyConfig(PreTrainedConfig):
    r"""
    theirs (`int`, *optional*, defaults to 1):
        As it is here.
    new (`int`, *optional*, defaults to 3):
        Known here alone.
    """

    theirs: int = 1
    new: int = 3
'''
POST_INIT = "\n    def __post_init__(self, **kwargs):\n        super().__post_init__(**kwargs)\n"
LAYER = "class ToyLayer(nn.Module):\n    def forward(self, x: {annotation}):\n        return {result}\n"


def tree(configuration: str, result: str = "x", annotation: str = "int") -> Tree:
    models = "src/transformers/models/toy"
    layer = LAYER.format(result=result, annotation=annotation)
    texts = {f"{models}/configuration_toy.py": configuration, f"{models}/modeling_toy.py": layer}
    return Tree(Path("/nowhere"), None, "0", texts)


def test_the_docstring_of_a_configuration_follows_the_bases() -> None:
    home = tree(CONFIGURATION)
    docstring = ast.get_docstring(ast.parse(adapt(MODULAR, home, home)).body[3]) or ""
    assert docstring.splitlines() == [
        "theirs (`int`, *optional*, defaults to 1):",
        "    As it is here.",
        "new (`int`, *optional*, defaults to 3):",
        "    Known here alone.",
        "ours (`float`, *optional*, defaults to 0.5):",
        "    Our own,",
        "    on two lines.",
        "",
        "```python",
        ">>> GatedToyConfig()",
        "```",
    ]


def test_a_docstring_that_agrees_is_not_touched() -> None:
    agreeing = CONFIGURATION.replace("As it is here", "As it was").replace("new (`int`", "gone (`int`")
    agreeing = agreeing.replace(
        "defaults to 3):\n        Known here alone", "defaults to 2):\n        Not there any more"
    )
    home = tree(agreeing)
    assert adapt(MODULAR, home, home) == MODULAR


def test_a_method_that_the_parent_has_there_is_inherited() -> None:
    adapted = adapt(MODULAR, tree(CONFIGURATION + POST_INIT), tree(CONFIGURATION))
    assert "        super().__post_init__(**kwargs)\n" in adapted


def test_a_method_that_the_parent_lacks_there_is_called_by_name() -> None:
    inheriting = MODULAR.replace("PreTrainedConfig.__post_init__(self, ", "super().__post_init__(")
    adapted = adapt(inheriting, tree(CONFIGURATION), tree(CONFIGURATION + POST_INIT))
    assert "        PreTrainedConfig.__post_init__(self, **kwargs)\n" in adapted
    assert adapted.count("from ...configuration_utils import PreTrainedConfig") >= 1


def test_a_call_past_a_parent_that_has_the_method_is_meant_so() -> None:
    both = tree(CONFIGURATION + POST_INIT)
    assert "PreTrainedConfig.__post_init__(self, **kwargs)" in adapt(MODULAR, both, both)


def test_a_replaced_method_whose_original_changed_is_told() -> None:
    home = tree(CONFIGURATION)
    (told,) = changed_parents(MODULAR, tree(CONFIGURATION, result="x + 1"), home, "modular.py")
    assert told.code == "parent-changed" and "`ToyLayer.forward`" in told.message
    assert MODULAR.splitlines()[told.line - 1] == "    def forward(self, x):"


def test_annotations_are_no_change() -> None:
    assert changed_parents(MODULAR, tree(CONFIGURATION, annotation="float"), tree(CONFIGURATION), "modular.py") == []


def test_decorators_that_name_a_checkpoint_are_repeated_word_for_word() -> None:
    modular = "from ..toy.modeling_toy import ToyLayer\n\n\nclass GatedToyLayer(ToyLayer):\n    pass\n"
    decorated = Tree(Path("/nowhere"), None, "0", dict(tree(CONFIGURATION).changed))
    path = "src/transformers/models/toy/modeling_toy.py"
    layer = decorated.changed[path]
    for decorators, kept in (
        ('@auto_docstring(checkpoint="toy-ai/toy-1")\n@strict\n', True),
        ('@auto_docstring(checkpoint="toy-ai/toy-1")\n@of_the_base\n', False),
        ("@auto_docstring\n", False),
    ):
        adapted = adapt(modular, decorated.with_changes({path: decorators + layer}), decorated)
        assert ("@auto_docstring(checkpoint='toy-ai/toy-1')\n@strict\nclass GatedToyLayer" in adapted) == kept
        assert ("from ...utils import auto_docstring" in adapted) == kept


def test_configurations_that_a_parent_is_made_of_are_brought() -> None:
    parts = '@strict\n@auto_docstring(checkpoint="a/toy")\nclass ToyFFNConfig:\n    pass\n\n\n'
    parts += "class ToyPlainConfig:\n    pass\n\n\n"
    whole = "class ToyConfig:\n    sub_configs = {'ffn': ToyFFNConfig, 'plain': ToyPlainConfig}\n"
    tree = installed_tree().with_changes({"src/transformers/models/toy/configuration_toy.py": parts + whole})
    modular = "from ..toy.configuration_toy import ToyConfig\n\n\n@strict\nclass QualityGateToyConfig(ToyConfig):\n    pass\n"
    brought = bring_parts(modular, tree)
    assert "class QualityGateToyFFNConfig(ToyFFNConfig):\n    pass\n\n\n@strict\nclass QualityGateToyConfig" in brought
    assert "from ..toy.configuration_toy import ToyFFNConfig\n" in brought and "ToyPlainConfig" not in brought
    assert bring_parts(brought, tree) == brought


def test_the_only_entry_of_a_parent_keeps_its_text() -> None:
    parent = 'class ToyConfig:\n    r"""\n    groups (`int`):\n        How many.\n    """\n\n    groups: int = 1\n'
    (node,) = ast.parse(parent).body
    assert isinstance(node, ast.ClassDef)
    own = 'class QualityGateToyConfig(ToyConfig):\n    r"""\n    ours (`int`):\n        Ours.\n    """\n\n    ours: int = 1\n'
    settled = settle_config_docs(own, {"ToyConfig": node})
    assert '    groups (`int`):\n        How many.\n    ours (`int`):\n        Ours."""' in settled
