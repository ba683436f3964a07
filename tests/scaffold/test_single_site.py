"""Where a gate goes in one forward: small layers of every variety, and those that have no place for one."""

from __future__ import annotations

import pytest
from scaffold.sites.fit import fit
from scaffold.sites.values import NoPlace
from syntax.modules import read_module
from syntax.source import Source
from toy_layers import FIRST, find, said, toy


PLACES = {
    "plain": ("x = self.norm(x)\nx = self.mlp(x)\nx = residual + x\nreturn x", "reads=self.mlp, scales=self.mlp"),
    "tuple": ("x, _ = self.mlp(x)\nx = residual + x\nreturn x", "reads=self.mlp, scales=self.mlp"),
    "by keyword": ("y = self.mlp(hidden=x)\nx = residual + y\nreturn x", "reads=self.mlp, scales=self.mlp"),
    "norm behind": (
        "x = self.mlp(x)\nx = self.norm(x)\nx = residual + x\nreturn x",
        "reads=self.mlp, scales=self.norm",
    ),
    "norm on both sides, which is called before as well": (
        "x = self.norm(x)\nx = self.mlp(x)\nx = self.norm(x)\nx = residual + x\nreturn x",
        "reads=self.mlp, scales=self.norm",
    ),
    "two linear maps": (
        "x = drop(act(self.fc1(x)))\nx = self.fc2(x)\nx = residual + x\nreturn x",
        "reads=self.fc1, scales=self.fc2",
    ),
    "two linear maps and two dropouts": (
        "x = self.fc1(x)\nx = drop(x)\nx = self.fc2(x)\nx = drop(x)\nx = residual + x\nreturn x",
        "reads=self.fc1, scales=x, into=residual + x",
    ),
    "one inside the other": (
        "x = self.fc2(act(self.fc1(x)))\nx = residual + x\nreturn x",
        "reads=self.fc1, scales=self.fc2",
    ),
    "residual times a factor": (
        "y = self.mlp(x)\ny = y if self.a else y * 2\nx = residual + y * self.factor\nreturn x",
        "reads=self.mlp, scales=y, into=residual + y * self.factor",
    ),
    "another shape": (
        "y = self.mlp(x)\nx = residual + y.view(residual.shape)\nreturn x",
        "reads=self.mlp, scales=y.view(residual.shape), into=residual + y.view(residual.shape)",
    ),
    "shared experts": (
        "y = self.moe(x)\nif self.shared_mlp is None:\n    x = y\nelse:\n    x = y + self.shared_mlp(x)\n"
        "x = residual + x\nreturn x",
        "reads=self.moe, scales=self.shared_mlp",
    ),
    "shared experts, added in place": (
        "y = self.moe(x)\ny += self.shared_mlp(x)\nx = residual + y\nreturn x",
        "reads=self.moe, scales=self.shared_mlp",
    ),
    "experts in one branch": (
        "if self.a:\n    y = self.moe(x)\n    x = y + self.mlp(x)\nelse:\n    x = self.mlp(x)\nx = residual + x\nreturn x",
        "reads=self.moe, scales=x, into=residual + x",
    ),
    "either part": (
        "y = self.moe(x) if self.a else self.mlp(x)\nx = residual + y\nreturn x",
        "reads=self.moe, scales=self.moe",
    ),
    "a part in each branch": (
        "if self.a:\n    f = self.mlp(x)\n    x = f + residual + x\nelse:\n    x = x + residual\n    f = self.mlp(x)\n"
        "    x = f + x\nreturn x",
        "reads=self.mlp, scales=self.mlp",
    ),
    "attention beside it, added in place": (
        "f = self.mlp(x)\nif self.a:\n    f += residual\nx = join(f, residual, 0.1)\nreturn x",
        "reads=self.mlp, scales=self.mlp",
    ),
    "a function adds": (
        "x = self.mlp(x)\nx = self.norm(x)\nx = join(x, residual, 0.1)\nreturn x",
        "reads=self.mlp, scales=self.norm",
    ),
    "a module adds": (
        "x = self.mlp(x)\nx = self.norm(x)\nx = self.scaling(x, residual)\nreturn x",
        "reads=self.mlp, scales=self.norm",
    ),
    "a foreign function adds": (
        "y = self.mlp(x)\ny = y * 2\nx = torch.add(residual, y)\nreturn x",
        "reads=self.mlp, scales=y, into=torch.add(residual, y)",
    ),
    "a function that is handed the residual and adds nothing": (
        "x = self.mlp(x)\nx = pass_by(x, residual)\nx = residual + x\nreturn x",
        "reads=self.mlp, scales=pass_by",
    ),
    "a bias is no residual": (
        "x = self.mlp(x)\nx = x + self.bias\nx = residual + x\nreturn x",
        "reads=self.mlp, scales=x, into=residual + x",
    ),
    "whoever called adds": ("x = self.mlp(x)\nreturn x", "reads=self.mlp, scales=self.mlp"),
    "many streams": (
        "y = self.mlp(x)\ny = y.unsqueeze(-2) * weights\nx = residual + y\nreturn x",
        "reads=self.mlp, scales=self.mlp",
    ),
    "all in one statement": ("x = x + self.mlp(self.norm(x))\nreturn x", "reads=self.mlp, scales=self.mlp"),
    "all in one statement, a norm behind": (
        "x = x + self.norm(self.mlp(x))\nreturn x",
        "reads=self.mlp, scales=self.norm",
    ),
    "returned as a sum": ("return residual + self.fc2(self.fc1(x))", "reads=self.fc1, scales=self.fc2"),
    "the part adds the residual": (
        "x = self.adding_ffn(x, residual)\nreturn x",
        "reads=self.adding_ffn, scales=self.adding_ffn, adds=residual",
    ),
    "the part adds the residual, by keyword": (
        "x = self.adding_ffn(x, residual=residual)\nreturn x",
        "reads=self.adding_ffn, scales=self.adding_ffn, adds=residual",
    ),
    "one batch of tokens": (
        "shape = x.shape\nx = x.reshape(-1, x.size(-1))\nx = self.mlp(x)\nx = (residual + x).view(shape)\nreturn x",
        "reads=self.mlp, scales=self.mlp, tokens=shape",
    ),
    "one batch of tokens, by another name": (
        "before = x.size()\nx = x.view(-1, before[-1])\nx = self.fc1(x)\nx = self.fc2(x)\nx = (residual + x).view(before)",
        "reads=self.fc1, scales=self.fc2, tokens=before",
    ),
    "something else is flat": (
        "shape = x.shape\nrows = residual.view(-1, 4)\nx = self.mlp(x)\nx = residual + x\nreturn x",
        "reads=self.mlp, scales=self.mlp",
    ),
    "in a condition": (
        "if self.a:\n    x = self.mlp(x)\n    x = residual + x\nreturn x",
        "reads=self.mlp, scales=self.mlp",
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_the_smallest_place_is_found(name: str) -> None:
    body, expected = PLACES[name]
    module = toy(body)
    [(layer, place)] = find(module).declared.items()
    assert (layer, said(place)) == ("Layer", expected)
    assert fit(module.method(module.classes["Layer"], "forward"), place)


def test_the_lines_are_of_the_base() -> None:
    assert find(toy(PLACES["plain"][0])).lines == (FIRST + 1,)
    assert find(toy(PLACES["a part in each branch"][0])).lines == (FIRST + 1, FIRST + 5)


REFUSED = {
    "no call": ("x = self.attn(x)\nreturn x", 0, "no statement calls self.adding_ffn or"),
    "no name": ("self.mlp(x)\nx = residual + x", 1, "not assigned to a name"),
    "no residual": ("x = self.mlp(x)\nx = self.norm(x)", 1, "no later statement adds"),
    "nothing given": ("x = self.mlp()\nx = residual + x", 1, "given nothing that has a name"),
    "a list given": ("x = self.mlp(*residual)\nx = residual + x", 1, "given nothing that has a name"),
    "different inputs": (
        "if self.a:\n    x = self.mlp(x)\nelse:\n    x = self.moe(residual)\nx = residual + x\nreturn x",
        1,
        "different inputs",
    ),
    "different inputs in one expression": (
        "x = self.mlp(x) if self.a else self.moe(residual)\nx = residual + x\nreturn x",
        1,
        "different inputs",
    ),
    "two parts": (
        "x = x + self.mlp(x)\nx = x + self.moe(x)\nreturn x",
        2,
        "`self.moe` is a feed-forward part beside `self.mlp`",
    ),
    "two parts in one sum": (
        "x = x + (self.mlp(x) + self.moe(x))\nreturn x",
        1,
        "`self.moe` is a feed-forward part beside",
    ),
    "a part in a list": (
        "y = self.mlp(x)\nx = self.ffn_list[0](x)\nx = residual + x + y\nreturn x",
        2,
        "`self.ffn_list[0]` is a feed-forward part beside `self.mlp`",
    ),
    "the same part twice": ("x = self.mlp(x)\nx = self.mlp(x)\nx = residual + x\nreturn x", 1, "no anchors tell"),
    "added in place": ("x += self.mlp(x)\nreturn x", 1, "added to the residual where it is made"),
    "added in a call": ("x = join(self.mlp(x), residual, 0.1)\nreturn x", 1, "added to the residual where it is made"),
    "the part adds its input": ("x = self.around_ffn(x)\nreturn x", 1, "`self.around_ffn` adds its input"),
    "a tuple that is not unpacked": ("y = self.mlp(x)\nx = residual + y[0]\nreturn x", 2, r"`y[0]`, what"),
    "a flat batch whose shape has no name": (
        "x = x.reshape(-1, x.size(-1))\nx = self.mlp(x)\nx = residual + x\nreturn x",
        1,
        "the shape of its samples has no name",
    ),
    "an input without a name in a branch": (
        "if self.a:\n    y = self.mlp(self.norm(x))\nelse:\n    y = x\nx = residual + y\nreturn x",
        1,
        "no anchors tell",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_place_is_refused_by_line(name: str) -> None:
    body, line, message = REFUSED[name]
    with pytest.raises(NoPlace) as refused:
        find(toy(body))
    assert message in str(refused.value)
    assert refused.value.line == FIRST + line - 1


def test_a_layer_without_such_a_part_has_no_place() -> None:
    text = "class Layer(nn.Module):\n    def __init__(self):\n        self.attn = A()\n    def forward(self, x):\n        return x\n"
    assert find(read_module(Source("toy.py", "toy", text))) is None
