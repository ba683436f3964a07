"""Fields of heads without gates: removed from the configuration, with what describes them."""

from __future__ import annotations

import ast

from pull_request.unused import inherited_unused, without_unused


CONFIGURATION = '''
class ToyConfig(PreTrainedConfig):
    """Says."""
    attribute_map = {"size": "mapped"}
    width: int = 8
    summary: str = "last"
    mapped: int = 3
    derived: int = 2
    shared: int = 1
    added: int = 1
    eos_token_id: int = 2

    def __post_init__(self, **kwargs):
        self.width = self.derived
'''
MODELING = "def forward(config):\n    return config.width\n"
OF_BASE = "def head(config):\n    return [{}]\n".format(
    ", ".join(
        f"config.{name}" for name in ("width", "summary", "mapped", "derived", "shared", "added", "eos_token_id")
    )
)
MODULAR = '''
class ToyConfig(BaseConfig):
    r"""
    summary (`str`, *optional*, defaults to `"last"`):
        One of:
            - `"last"`: the last token.

    added (`int`):
        Ours.

    ```python
    >>> ToyConfig()
    ```"""

    model_type = "toy"
    added: int = 1
'''


def test_what_only_heads_without_gates_read_is_found() -> None:
    assert inherited_unused(CONFIGURATION, MODELING, OF_BASE) == ["summary", "mapped", "derived", "shared", "added"]
    assert inherited_unused(CONFIGURATION, MODELING, MODELING) == [], "the base leaves them unread as well"
    assert inherited_unused(CONFIGURATION, OF_BASE, OF_BASE) == []


def test_it_is_removed_unless_something_asks_for_it() -> None:
    text = without_unused(MODULAR, CONFIGURATION, MODELING, OF_BASE, ["def f(config):\n    return config.shared\n"])
    [node] = ast.parse(text).body
    assert isinstance(node, ast.ClassDef)
    removed = [ast.unparse(each) for each in node.body if "AttributeError" in ast.unparse(each)]
    assert removed == ["summary = AttributeError()"], "the others are mapped, derived from, shared, or the gates' own"
    said = ast.get_docstring(node) or ""
    assert "summary" not in said and "the last token" not in said
    assert said.startswith("added (`int`):\n    Ours.") and said.endswith(">>> ToyConfig()\n```")


def test_configurations_of_several_parts_stay() -> None:
    two = CONFIGURATION + CONFIGURATION.replace("ToyConfig", "ToyVisionConfig")
    assert without_unused(MODULAR, two, MODELING, OF_BASE, []) == MODULAR
    assert without_unused(MODULAR, CONFIGURATION, OF_BASE, OF_BASE, []) == MODULAR
