"""Layers that run several times for a token are told from those that run once, however a forward spells its loops."""

from __future__ import annotations

import ast
from textwrap import dedent, indent

import pytest
from weave.repeats import run_again


def place(body: str, attribute: str = "layers") -> int | None:
    """The line of the body of a forward at which a layer is run again."""
    tree = ast.parse("def forward(self, x, n, a, b, **kwargs):\n" + indent(dedent(body).strip("\n"), "    "))
    found = run_again(tree.body[0], attribute)
    return None if found is None else found.lineno - 1


AGAIN = {
    "rounds of a slice": """
        for i in range(n):
            for layer in self.layers[a:b]:
                x = layer(x)
        """,
    "rounds of a slice between others": """
        for layer in self.layers[:a]:
            x = layer(x)
        for i in range(n):
            x = self.norm(x)
            for index, layer in enumerate(self.layers[a:b]):
                x = layer(x, index)
        for layer in self.layers[b:]:
            x = layer(x)
        """,
    "rounds that are counted by hand": """
        while i < n:
            for layer in self.layers:
                x = layer(x)
            i += 1
        """,
    "slices that grow": """
        for i in range(n):
            for layer in self.layers[: i + 1]:
                x = layer(x)
        """,
    "slices that shrink": """
        for i in range(n):
            for layer in self.layers[i:]:
                x = layer(x)
        """,
    "a name for a slice": """
        inner = self.layers[a:b]
        for layer in self.layers[:a]:
            x = layer(x)
        for _ in range(n):
            for layer in inner:
                x = layer(x)
        """,
    "two passes written out": """
        for layer in self.layers[a:b]:
            x = layer(x)
        for layer in self.layers[a:b]:
            x = layer(x)
        """,
    "a pass of all and one of some": """
        for layer in self.layers:
            x = layer(x)
        for layer in self.layers[a:]:
            x = layer(x)
        """,
    "one layer once more": """
        for layer in self.layers:
            x = layer(x)
        x = self.layers[-1](x)
        """,
    "twice in a round": """
        for layer in self.layers:
            x = layer(x)
            x = layer(x)
        """,
    "twice in a statement": """
        for layer in self.layers:
            x = layer(layer(x))
        """,
    "twice in a round where something holds": """
        for layer in self.layers:
            x = layer(x)
            if layer.twice:
                x = layer(x)
        """,
    "several times in a round": """
        for layer in self.layers:
            for _ in range(layer.repeats):
                x = layer(x)
        """,
    "a list times a number": """
        for layer in self.layers[a:b] * n:
            x = layer(x)
        """,
    "a list made before": """
        order = [*self.layers[:a], *list(self.layers[a:b]) * n]
        for layer in order:
            x = layer(x)
        """,
    "a list twice in a chain": """
        for layer in chain(self.layers[:b], self.layers[:b]):
            x = layer(x)
        """,
    "a list comprehended": """
        for layer in [layer for _ in range(n) for layer in self.layers]:
            x = layer(x)
        """,
    "the list in a circle": """
        for layer in islice(cycle(self.layers), n):
            x = layer(x)
        """,
    "checkpointed": """
        for _ in range(n):
            for layer in self.layers:
                x = self._gradient_checkpointing_func(layer.__call__, x)
        """,
}
ONCE = {
    "each layer": """
        for layer in self.layers:
            x = layer(x)
        """,
    "parts that follow each other": """
        for layer in self.layers[:a]:
            x = layer(x)
        for index, layer in enumerate(self.layers[a : len(self.layers)]):
            x = layer(x)
        """,
    "groups": """
        for start in range(0, n, a):
            end = start + a
            for layer in self.layers[start:end]:
                x = layer(x)
            x = self.norm(x)
        """,
    "groups that follow each other": """
        end = 0
        for size in self.sizes:
            start = end
            end = start + size
            for layer in self.layers[start:end]:
                x = layer(x)
        """,
    "groups that are counted by hand": """
        start = 0
        while start < n:
            for layer in self.layers[start : start + a]:
                x = layer(x)
            start += a
        """,
    "groups by their numbers": """
        for i in range(n):
            for layer in self.layers[i]:
                x = layer(x)
        """,
    "lists in a list": """
        for group in self.layers:
            for layer in group:
                x = layer(x)
        """,
    "branches": """
        if self.training:
            for layer in self.layers:
                x = layer(x)
        else:
            for layer in self.layers[:a]:
                x = layer(x)
        """,
    "a branch that returns": """
        if n is None:
            for layer in self.layers:
                x = layer(x)
            return x
        for layer in self.layers:
            x = layer(x)
        """,
    "branches in a round": """
        for index, (layer, cache) in enumerate(zip(self.layers, caches)):
            if self.gradient_checkpointing:
                x = self._gradient_checkpointing_func(layer.__call__, x)
            else:
                x = layer(x, cache)
        """,
    "a choice of lists": """
        for layer in self.layers if n is None else self.layers[:n]:
            x = layer(x)
        """,
    "masks first": """
        masks = {kind: self.mask(kind) for kind in {layer.kind for layer in self.layers}}
        for layer in self.layers:
            masks[layer.kind] = self.mask(len(self.layers))
        for layer in self.layers:
            x = layer(x, masks[layer.kind])
        """,
    "another list beside": """
        for layer, adapter in zip(self.layers, self.adapters):
            x = layer(x) + adapter(x)
        for _ in range(n):
            x = self.head(x)
        """,
    "the parts of a layer": """
        for attention, feed_forward in self.layers:
            x = feed_forward(attention(x))
        """,
    "a list comprehended from another": """
        for layer in [layer for layer in self.layers if layer.active]:
            x = layer(x)
        """,
    "its numbers": """
        for i in range(len(self.layers)):
            x = self.layers[i](x)
        """,
}


@pytest.mark.parametrize("body", AGAIN.values(), ids=AGAIN)
def test_layers_that_run_again_are_found(body: str) -> None:
    line = place(body)
    assert line is not None and "x = " in dedent(body).strip("\n").split("\n")[line - 1]


@pytest.mark.parametrize("body", ONCE.values(), ids=ONCE)
def test_layers_that_run_once_are_left_alone(body: str) -> None:
    assert place(body) is None


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("x = self.model(x)\nreturn x", None),
        ("if n:\n    return self.model(x)\nreturn self.model(x, n)", None),
        ("x = self.model(x) if n else self.model(x, n)", None),
        ("for i in range(n):\n    x = self.model(x)", 2),
        ("while True:\n    x = self.model.forward(x)", 2),
        ("x = self.model(x)\nx = self.model(x)", 2),
        ("x = [self.model(each) for each in x.split(n)]", 1),
        ("n = self.model.config.n\nx = self.model(x)", None),
    ],
)
def test_a_model_inside_another_runs_once(body: str, line: int | None) -> None:
    assert place(body, "model") == line
