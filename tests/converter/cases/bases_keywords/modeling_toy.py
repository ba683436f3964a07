from typing import TypedDict


class ToyKwargs(TypedDict, total=False):
    depth: int
