"""Toy layers to find places in."""

from __future__ import annotations

from textwrap import indent

from scaffold.feedforward import feed_forward_names
from scaffold.sites.table import FEED_FORWARD
from scaffold.sites.values import Found
from syntax.modules import Module, read_module
from syntax.source import Source


TOY = """\
def join(output, residual, scale):
    output = dropout(output, scale)
    return residual + output


def pass_by(output, residual):
    return output


class Adding(nn.Module):
    def forward(self, x, residual):
        return self.net(x) + residual


class Around(nn.Module):
    def forward(self, x):
        residual = x
        x = self.net(self.norm(x))
        return residual + x


class Scaling(nn.Module):
    def forward(self, x, residual):
        x = (x + self.bias) * self.scale
        residual = residual * self.scale
        return x + residual


class Layer(nn.Module):
    def __init__(self, config):
        self.mlp = MLP(config)
        self.moe = Experts(config)
        self.fc1 = nn.Linear(1, 1)
        self.fc2 = nn.Linear(1, 1)
        self.shared_mlp = MLP(config)
        self.adding_ffn = Adding(config)
        self.around_ffn = Around(config)
        self.ffn_list = nn.ModuleList([MLP(config)])
        self.scaling = Scaling(config)
        self.norm = RMSNorm(config)

    def forward(self, x, residual):
"""
FIRST = TOY.count("\n") + 1  # the line of the first statement of a forward


def toy(body: str, rest: str = "") -> Module:
    text = TOY + indent(body.rstrip("\n"), " " * 8) + "\n" + rest
    return read_module(Source("modeling_toy.py", "toy", text))


def find(module: Module) -> Found | None:
    layer = module.classes["Layer"]
    names = feed_forward_names(module, layer)
    return next(filter(None, (each.find(module, layer, names) for each in FEED_FORWARD.finders)), None)


def said(declared: object) -> str:
    """A declaration as a delta has it."""
    pairs = ((name, getattr(declared, name)) for name in declared.__slots__)
    return ", ".join(f"{name}={value}" for name, value in pairs if value is not None)
