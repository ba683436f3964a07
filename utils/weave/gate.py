"""A kind of gate as a value: what `modular/gates/<kind>/__init__.py` declares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from naming.declared import Declared, Pairs


class Site(Enum):
    """A place that a splice can go to; the parameters of its function name what the site offers."""

    # the constructor of a class with a gate, below what the base does: self, config, and for a gate on
    # attention what its place says: projection, heads, width; for one at the end of a layer: number
    LAYER = "layer"
    FEED_FORWARD_INPUT = "feed_forward_input"  # before a feed-forward part: hidden_states, and the asked arguments
    FEED_FORWARD_OUTPUT = "feed_forward_output"  # behind it, before the residual is added: output
    FEED_FORWARD_NORM = "feed_forward_norm"  # the same, where a norm stands behind the part
    # in place of the part that adds the residual itself: output, residual, added, whole
    RESIDUAL_INSIDE = "residual_inside"
    # in the class that adds the residual and is handed what the layer computed: output
    HANDED_OUTPUT = "handed_output"
    ATTENTION_OUTPUT = "attention_output"  # before the output projection of attention: output, hidden_states
    EXPERTS_INPUT = "experts_input"  # before a feed-forward part that is a mixture of experts: hidden_states
    EXPERTS_OUTPUT = "experts_output"  # behind it, before the residual is added: output
    LAYER_OUTPUT = "layer_output"  # before a layer returns: output, and the asked arguments


@dataclass(frozen=True, slots=True)
class Argument:
    """A keyword argument that gated forwards take and hand on to the layers."""

    name: str
    type: str
    default: str
    doc: str

    @property
    def entry(self) -> str:
        """What documentation says of it, at the left margin."""
        return f"{self.name} (`{self.type}`, *optional*, defaults to `{self.default}`):\n    {self.doc}"


@dataclass(frozen=True, slots=True)
class Splice:
    """A small function whose body is spliced in at a site.

    Its parameters stand for what the site offers; any other parameter is a name that another splice assigns.
    """

    site: Site
    function: object  # of the declaration's file; of a kind that was read, a weave.spliced.Spliced


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a kind of gate says otherwise in a pull request to transformers.

    There nobody needs what a model has for its life outside of it, and a reviewer would ask for its removal.
    """

    without: tuple[str, ...] = ()  # definitions, fields, attributes and parameters that are of the home form alone
    # the module whose definitions are put in place of those of the same name; of classes, the members
    module: str = ""
    inputs: str = ""  # the constant that documents what callers of a model may give besides the base's arguments
    loss: str = ""  # what the documentation of a loss adds: "with the weighted quality loss where scores are returned"


@dataclass(frozen=True, slots=True)
class Gate(Declared):
    """A kind of gate. What is not said here, or in `naming.declared.Declared`, is read off the modules that define it."""

    attribute: str  # of a gated layer: "quality_gate"
    prefix: str  # of every gated class: "QualityGate" for QualityGateLlamaModel
    modules: tuple[str, ...]  # the modules beside the declaration that define it, in the order they are read
    home: str  # the base whose gated model holds the definitions; others import them from there
    phrase: str  # what a model has: "a quality gate on the input of every feed-forward network"
    asks: tuple[Argument, ...] = ()
    splices: tuple[Splice, ...] = ()
    exports: tuple[str, ...] = ()  # functions that generated packages export beside their classes
    balanced: str | None = None  # the decorator of heads that compute a load balancing loss
    sample: str = ""  # an argument of the configuration, for its example
    proven: Pairs = ()  # besides `equals_base`, fields with which its loss is the base's, too: for proofs alone
    own_outputs: tuple[str, ...] = ()  # what outputs of a base call so is something else here
    upstream: Upstream = Upstream()
