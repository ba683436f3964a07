"""Headers of methods: what `**super_kwargs` splices, and which return annotation stays."""

from __future__ import annotations

import pytest

from converter.merge.headers import merge_headers


@pytest.mark.parametrize(
    ("parent", "delta", "merged"),
    [
        (
            "def f(self, x, mask=None, **kwargs):",
            "def f(self, y=1, **super_kwargs):",
            "self, x, mask=None, y=1, **kwargs",
        ),
        ("def f(self, x, mask=None):", "def f(self, mask=True, **super_kwargs):", "self, x, mask=True, "),
        ("def f(self, x=1, **kwargs):", "def f(self, y, **super_kwargs):", "self, y, x=1, **kwargs"),
        ("def f(self, x, **kwargs):", "def f(self, *, y=1, **super_kwargs):", "self, x, *, y=1, **kwargs"),
        ("def f(self, x, *, z, **kw):", "def f(self, *, z=2, y=1, **super_kwargs):", "self, x, *, z=2, y=1, **kw"),
        ("def f(self, *args, z=0):", "def f(self, y=1, **super_kwargs):", "self, y=1, *args, z=0"),
    ],
)
def test_parameters_are_spliced(parent: str, delta: str, merged: str) -> None:
    header = merge_headers(f"    {parent}\n", f"    {delta}\n")
    assert header == f"    def f({merged}):\n"
    compile(header.strip() + " pass", "header", "exec")


@pytest.mark.parametrize(
    ("parent", "delta", "merged"),
    [
        ("def f(self) -> int:", "def f(self):", "def f(self) -> int:"),
        ("def f(self) -> int:", "def f(self) -> str:", "def f(self) -> str:"),
        ("def f(self):", "def f(self, x):  # why", "def f(self, x):  # why"),
        (
            "async def f(self) -> dict[str, int]:",
            "async def f(self):  # why",
            "async def f(self) -> dict[str, int]:  # why",
        ),
    ],
)
def test_the_return_annotation_is_inherited(parent: str, delta: str, merged: str) -> None:
    assert merge_headers(f"    {parent}\n", f"    {delta}\n") == f"    {merged}\n"
