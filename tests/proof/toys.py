"""Generated models, each wrong in one way, and a release of transformers whose bases are peculiar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facts.project import GENERATED
from facts.read import package_files
from releases import make_release


HEAD = "        logits = self.lm_head(hidden_states)\n"
SEEN = "past_seen_tokens = cache.get_seq_length() if cache is not None else 0"
OUTPUTS = "        outputs: BaseModelOutputWithPast = self.model(\n"
SCORES = "            _, good_ratio = self.quality_gate(hidden_states, output_quality_logits)\n"
EXPORTS = "\n__all__ = ["
NO_TUPLES = """
from functools import wraps
forward = QualityGateStableLmForCausalLM.forward
QualityGateStableLmForCausalLM.forward = wraps(forward)(
    lambda self, *args, return_dict=True, **kwargs: forward(self, *args, **kwargs)
)
"""
OLD_KEYWORD = "old keyword kv="


@dataclass(frozen=True)
class Edit:
    """What is replaced in a modeling file."""

    old: str
    new: str


# Model -> how it is spoilt; each is another architecture, since a proof knows models by their base.
TOYS: Mapping[str, Edit | None] = {
    "llama": None,
    "mistral": Edit(HEAD, f"{HEAD}        logits = logits * 1.001\n"),
    "qwen3": Edit(SEEN, f"{SEEN}\n            past_seen_tokens += past_seen_tokens > 0"),
    "helium": Edit(OUTPUTS, f'        logger.warning("toys are not warranted")\n{OUTPUTS}'),
    "gemma": Edit(OUTPUTS, f'        import warnings\n        warnings.warn("a toy", FutureWarning)\n{OUTPUTS}'),
    "olmo2": Edit(
        OUTPUTS,
        "        if attention_mask is not None and attention_mask.shape[1] > input_ids.shape[1]:\n"
        f'            raise ValueError("a toy takes no such mask")\n{OUTPUTS}',
    ),
    "phi": Edit("import torch\n", "import torch\nfrom transformers.nowhere import anything\n"),
    "granite": Edit(OUTPUTS, f"        import os\n        os._exit(3)\n{OUTPUTS}"),
    "starcoder2": Edit(HEAD, f"{HEAD}        logits = logits + (logits - logits.detach())\n"),
    "exaone4": Edit(SCORES, f"{SCORES}            hidden_states = hidden_states * 2\n"),
    "olmo": Edit("self.quality_gate = QualityGateOlmoGate(config)", "self.extra = nn.Linear(2, 2); \\g<0>"),
    "smollm3": Edit(OUTPUTS, f"        torch.empty(2**36, dtype=torch.uint8)\n{OUTPUTS}"),
    "stablelm": Edit(EXPORTS, NO_TUPLES + EXPORTS),
    "cohere": None,  # its base accepts an old keyword
    "glm": None,  # its base gives no numbers
}


def toy_texts() -> dict[str, dict[str, str]]:
    """The files of every toy by package."""
    return {f"quality_gate_{name}": _spoilt(f"quality_gate_{name}", edit) for name, edit in TOYS.items()}


def _spoilt(package: str, edit: Edit | None) -> dict[str, str]:
    files = package_files(GENERATED / package)
    if edit:
        name = f"modeling_{package}.py"
        assert edit.old in files[name], f"{package} has no {edit.old!r}"
        files[name] = files[name].replace(edit.old, edit.new.replace("\\g<0>", edit.old), 1)
    return files


def make_toy_release(folder: Path) -> Path:
    """A transformers that talks, whose Cohere takes its cache by an old name as well, and whose GLM gives no numbers."""
    path = "models/cohere/modeling_cohere.py"
    first = "from ...cache_utils import"
    edits = {path: (first, f"from ...utils.deprecation import deprecate_kwarg\n{first}")}
    edits["modeling_utils.py"] = ("import collections\n", 'import collections\nprint("welcome", flush=True)\n')
    edits["models/glm/modeling_glm.py"] = (HEAD, f"{HEAD}        logits = logits * float('nan')\n")
    package = make_release(folder, edits)
    before, head, after = (package / path).read_text().partition("class CohereForCausalLM(")
    old_name = '    @deprecate_kwarg("kv", version="99.0", new_name="cache")\n'
    decorated = after.replace("    def forward(", f"{old_name}    def forward(", 1)
    (package / path).write_text(before + head + decorated)
    return package
