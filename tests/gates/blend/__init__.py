"""A kind of gate that declares all that a kind can: it adds a normed share of what the feed-forward network gives."""

from weave.gate import Gate, Site, Splice
from weave.place import Place

from .modeling import BlendNorm


__all__ = ["GATE", "BlendGate"]


def set_up(self, config):
    self.blend_norm = BlendNorm(config)
    self.blend_gate = BlendGate(config)


def blend(self, output):
    output, _ = self.blend_gate(output, self.blend_norm(output))


GATE = Gate(
    attribute="blend_gate",
    prefix="BlendGate",
    modules=("configuration", "outputs", "modeling"),
    home="llama",
    phrase="a blend gate on the output of every feed-forward network",
    sample="blend_start=0.5",
    float32=True,
    marks=(".blend_norm.", ".blend.table"),
    zeros=(".blend_gate.share",),
    bank="blend.table",
    equals_base=(("blend_start", 0.0),),
    starts=("norm_start",),
    base_fields=("hidden_act",),
    scores=("output_blend_gates", "blend_gates"),
    tiny=(("blend_rows", 4),),
    splices=(Splice(Site.LAYER, set_up), Splice(Site.FEED_FORWARD_OUTPUT, blend)),
)


class BlendGate(Place):
    """Where a layer's gate goes: `BlendGate(reads="self.mlp", scales="self.mlp")`."""
