"""Layers that run their part in chunks, and the class that adds the residual for them."""

from __future__ import annotations

from textwrap import dedent

import pytest
from toy_deltas import forward, kind
from weave.anchors import Misfit
from weave.chunked import hand, scale_handed
from weave.place import Place, Scaled


FORWARD = """\
a = self.attention(h)
layer_output = apply_chunking_to_forward(
    self.chunk, self.size, self.dim, a
)
return layer_output
"""
CHUNK = "def chunk(self, a):\n    return self.output(self.intermediate(a), a)\n"
OUTPUT = forward("h = self.dense(h)\nreturn h + x\n", "self, h, x")
PLACE = Place("self.chunk", hands="self.output")


def body(text: str) -> str:
    return dedent(text.partition("\n")[2])


def test_the_chunks_are_handed_the_ratio_where_it_scales() -> None:
    found = hand(forward(FORWARD), CHUNK, PLACE, kind().splices)
    assert body(found.forward) == dedent("""\
    a = self.attention(h)
    if output_quality_logits or self.scale_ffn:
        _, good_ratio = self.quality_gate(a, output_quality_logits)
    if self.scale_ffn:
        layer_output = apply_chunking_to_forward(self.scaled_chunk, self.size, self.dim, a, good_ratio)
    else:
        layer_output = apply_chunking_to_forward(self.chunk, self.size, self.dim, a)
    return layer_output
    """)
    assert found.line == 3
    assert found.chunk == (
        "def scaled_chunk(self, a, good_ratio: torch.Tensor):\n"
        "    return self.output(self.intermediate(a), a, good_ratio)\n"
    )


def test_a_comment_inside_the_call_swallows_nothing() -> None:
    found = hand(forward(FORWARD.replace("self.size,", "self.size,  # why\n   ")), CHUNK, PLACE, kind().splices)
    compile(found.forward, "forward", "exec")
    assert "apply_chunking_to_forward(self.chunk, self.size, self.dim, a)" in found.forward


def test_a_forward_that_calls_the_class_itself_hands_it_the_ratio() -> None:
    text = FORWARD.replace("return layer_output", "return self.output(layer_output, a)")
    found = hand(forward(text), "def chunk(self, a):\n    return self.intermediate(a)\n", PLACE, kind().splices)
    assert found.chunk == ""
    assert "return self.output(layer_output, a, good_ratio if self.scale_ffn else None)" in found.forward


def test_what_the_part_norms_is_normed_for_the_gate() -> None:
    place = Place("self.chunk", hands="self.output", normed="self.ln")
    chunk = CHUNK.replace("self.intermediate(a)", "self.intermediate(self.ln(a))")
    assert (
        "self.quality_gate(self.ln(a), output_quality_logits)"
        in hand(forward(FORWARD), chunk, place, kind().splices).forward
    )


def test_the_class_that_adds_scales_what_it_adds() -> None:
    assert scale_handed(OUTPUT, Scaled("h", into="h + x"), kind().splices) == dedent("""\
    def forward(self, h, x, good_ratio: torch.Tensor | None = None):
        h = self.dense(h)
        if good_ratio is not None:
            h = good_ratio.to(h.dtype) * h
        return h + x
    """)


@pytest.mark.parametrize(
    ("text", "chunk", "place", "message"),
    [
        (
            FORWARD.replace("self.chunk", "self.other"),
            CHUNK,
            PLACE,
            "`self.chunk` is run by apply_chunking_to_forward 0 times",
        ),
        (FORWARD + FORWARD, CHUNK, PLACE, "2 times, and not once"),
        (FORWARD, CHUNK.replace("self.output", "self.input"), PLACE, "`self.output` is called 0 times, and not once"),
        (
            FORWARD.replace("return layer", "return self.output(layer").replace("_output\n", "_output)\n"),
            CHUNK,
            PLACE,
            "`self.output` is called",
        ),
        (
            FORWARD,
            CHUNK,
            Place("self.chunk", hands="self.output", normed="self.ln"),
            "the part does not call `self.ln`",
        ),
    ],
)
def test_what_cannot_be_handed_on_is_refused(text: str, chunk: str, place: Place, message: str) -> None:
    with pytest.raises(Misfit) as problem:
        hand(forward(text), chunk, place, kind().splices)
    assert message in str(problem.value)


@pytest.mark.parametrize(
    ("scaled", "message"),
    [
        (Scaled("h", into="h - x"), "`h - x` fits 0 times"),
        (Scaled("y", into="h + x"), "`y` is not in `h + x`"),
        (Scaled("h", into="a b"), "is not one Python expression"),
    ],
)
def test_what_cannot_be_scaled_is_refused(scaled: Scaled, message: str) -> None:
    with pytest.raises(Misfit) as problem:
        scale_handed(OUTPUT, scaled, kind().splices)
    assert message in str(problem.value)
