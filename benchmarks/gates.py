"""What gates cost: gated models against their bases in one run, `make bench-gates`.

Forward pass, training step (forward and backward of the whole model, no optimiser), greedy generation and one decoding
step of it (which is short, so that the contestants meet the same machine) of the base, of the base again (whose ratio shows the machine's noise), and of the gated model without and with scores. They take
turns, so that a machine that slows down does so for all: `ratio` is of medians, `paired` the median of the ratios
within rounds. Weights are random and shared; logits and tokens are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import inspect
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import transformers


GOALS = {"gated, scores off": 0.99, "gated, scores on": 0.97}  # least share of the base's throughput
ATTENTION_GOALS = {"headwise": 0.99}  # and of an elementwise gate, what one more query projection would leave
VOCABULARY = 8192  # Qwen3-0.6B has 151,936; fewer save memory, and make the gates' share larger, not smaller
QWEN3_06B = {
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "vocab_size": VOCABULARY,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": None,  # nothing ends a generation early
    "pad_token_id": 0,
}
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
TINY |= {"intermediate_size": 64, "vocab_size": 64}
PREFIXES = {"qwen3": "Qwen3", "llama": "Llama", "gpt_oss": "GptOss", "gemma3": "Gemma3"}
EXPERTS = {"num_local_experts": 8, "num_experts_per_tok": 2}  # of an eighth of the intermediate size each
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPE = torch.bfloat16 if DEVICE.type == "cuda" else torch.float32


@dataclass(frozen=True, slots=True)
class Work:
    """How much each job does."""

    batch: int
    tokens: int  # of a sample in forward passes and training steps, and of a prompt
    new_tokens: int
    rounds: int


@dataclass(slots=True)
class Variant:
    """A model and what each call of it is given."""

    model: Any
    arguments: dict[str, Any]
    cache: Any = None  # of a prompt, for decoding steps


def build(name: str, sizes: dict[str, Any]) -> tuple[Any, Any]:
    """A base model and the gated one, which holds the very same weights in memory."""
    prefix, extra = PREFIXES[name], {}
    if name == "gpt_oss":
        extra = EXPERTS | {"intermediate_size": sizes["intermediate_size"] // EXPERTS["num_local_experts"]}
    config = prefix + ("TextConfig" if name == "gemma3" else "Config")
    bases, gates = map(importlib.import_module, (f"transformers.models.{name}", f"generated.quality_gate_{name}"))
    torch.manual_seed(0)
    base = getattr(bases, f"{prefix}ForCausalLM")(getattr(bases, config)(**sizes | extra))
    gate_config = getattr(gates, f"QualityGate{config}")(**sizes | extra)
    gated = getattr(gates, f"QualityGate{prefix}ForCausalLM")(gate_config)
    base = base.to(DEVICE, DTYPE)
    loaded = gated.to(DEVICE, DTYPE).load_state_dict(base.state_dict(), strict=False, assign=True)
    assert all(".quality_gate." in key for key in loaded.missing_keys + loaded.unexpected_keys)
    gated.tie_weights()
    for layer in gated.model.layers:
        layer.quality_gate.float()  # as `from_pretrained` leaves it
    return base.eval(), gated.eval()


def build_attention(name: str, sizes: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A base model, and one with each mode of attention gates, which hold the very same weights and are open."""
    prefix, extra = PREFIXES[name], {}
    if name == "gpt_oss":
        extra = EXPERTS | {"intermediate_size": sizes["intermediate_size"] // EXPERTS["num_local_experts"]}
    config = prefix + ("TextConfig" if name == "gemma3" else "Config")
    bases, gates = map(importlib.import_module, (f"transformers.models.{name}", f"generated.attention_gate_{name}"))
    torch.manual_seed(0)
    base = getattr(bases, f"{prefix}ForCausalLM")(getattr(bases, config)(**sizes | extra)).to(DEVICE, DTYPE)
    found = {}
    for mode in ("headwise", "elementwise"):
        own = {"attention_gate_mode": mode, "attention_gate_init": "identity"}
        gated = getattr(gates, f"AttentionGate{prefix}ForCausalLM")(
            getattr(gates, f"AttentionGate{config}")(**sizes | extra | own)
        )
        loaded = gated.to(DEVICE, DTYPE).load_state_dict(base.state_dict(), strict=False, assign=True)
        assert all(".attention_gate." in key for key in loaded.missing_keys + loaded.unexpected_keys)
        gated.tie_weights()
        found[mode] = gated.eval()
    return base.eval(), found


def attention_variants(name: str, sizes: dict[str, Any]) -> dict[str, Variant]:
    """The contestants by name, the base first; an elementwise gate may cost what one more query projection does."""
    base, gated = build_attention(name, sizes)
    layer = base.model.layers[0]
    query = layer.self_attn.q_proj.weight.numel()
    ATTENTION_GOALS["elementwise"] = 1 / (1 + query / sum(weight.numel() for weight in layer.parameters()))
    return {"base": Variant(base, {}), "base, again": Variant(base, {})} | {
        mode: Variant(model, {}) for mode, model in gated.items()
    }


def variants(name: str, base: Any, gated: Any) -> dict[str, Variant]:
    """The contestants by name, the base first."""
    routers = {"output_router_logits": True} if name == "gpt_oss" else {}  # scores come with the experts' routers
    return {
        "base": Variant(base, {}),
        "base, with routers" if routers else "base, again": Variant(base, routers),
        "gated, scores off": Variant(gated, {"output_router_logits": False}),
        "gated, scores on": Variant(gated, {"output_router_logits": True}),
    }


def forward(variant: Variant, inputs: torch.Tensor, work: Work) -> torch.Tensor:
    """Logits of every token, without a cache."""
    with torch.inference_mode():
        return variant.model(inputs, use_cache=False, **variant.arguments).logits


def train(variant: Variant, inputs: torch.Tensor, work: Work) -> torch.Tensor:
    """The loss, after gradients of every weight."""
    is_gated = hasattr(variant.model.config, "quality_gate_mode")
    guidance = {"quality_targets": torch.arange(len(inputs), device=DEVICE) % 2} if is_gated else {}
    loss = variant.model.train()(inputs, labels=inputs, use_cache=False, **variant.arguments, **guidance).loss
    loss.backward()
    variant.model.zero_grad(set_to_none=True)
    variant.model.eval()
    return loss.detach()


def generate(variant: Variant, inputs: torch.Tensor, work: Work) -> torch.Tensor:
    """Prompt and continuation."""
    return variant.model.generate(inputs, do_sample=False, max_new_tokens=work.new_tokens, **variant.arguments)


def cache_name(model: torch.nn.Module) -> str:
    """What a model takes a cache as, and gives it back as: releases of transformers differ."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def decode(variant: Variant, inputs: torch.Tensor, work: Work) -> torch.Tensor:
    """Logits of one more token behind a prompt that is in the cache."""
    with torch.inference_mode():
        if variant.cache is None:  # in the round that warms up
            variant.cache = variant.model(inputs, use_cache=True)[cache_name(variant.model)]
        more = {cache_name(variant.model): variant.cache, "use_cache": True}
        logits = variant.model(inputs[:, :1], **more, **variant.arguments).logits
        variant.cache.crop(-1)
        return logits


JOBS = {"forward": forward, "training step": train, "generation": generate, "decoding step": decode}
DECODING_STEPS = 8  # in a round: they are short


def insist_on_equality(contestants: dict[str, Variant], inputs: torch.Tensor, work: Work) -> None:
    """Raise a ValueError where a variant's logits or generated tokens are not exactly the base's."""
    for job in (forward, generate, decode):
        wanted, *others = (job(variant, inputs, work) for variant in contestants.values())
        for name, found in zip(list(contestants)[1:], others):
            if not torch.equal(found, wanted):
                raise ValueError(f"{job.__name__}: what `{name}` computes is not what the base computes.")


def measure(job: Callable, variant: Variant, inputs: torch.Tensor, work: Work) -> tuple[float, float]:
    """Seconds (of a single CPU thread: its own), and MiB of the GPU or the process at the peak (0 where unknown)."""
    if DEVICE.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    elif os.access("/proc/self/clear_refs", os.W_OK):
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    clock = time.process_time if DEVICE.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    started = clock()
    job(variant, inputs, work)
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
        return clock() - started, torch.cuda.max_memory_allocated() / 2**20
    seconds = clock() - started
    lines = Path("/proc/self/status").read_text().splitlines() if os.path.exists("/proc/self/status") else []
    return seconds, next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def compare(job: str, contestants: dict[str, Variant], inputs: torch.Tensor, work: Work) -> None:
    """Run one job in turns and print a row for each variant."""
    names = list(contestants)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(-1, work.rounds * (DECODING_STEPS if job == "decoding step" else 1)):  # the first warms up
        gc.collect()
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            figures = measure(JOBS[job], contestants[name], inputs, work)
            if turn >= 0:
                found[name].append(figures)
    middle = {name: [statistics.median(each) for each in zip(*runs)] for name, runs in found.items()}
    tokens = len(inputs) * {"generation": work.new_tokens, "decoding step": 1}.get(job, inputs.shape[1])
    for name in names:
        rival = names[1] if name == "gated, scores on" and "routers" in names[1] else names[0]
        paired = statistics.median(theirs[0] / own[0] for theirs, own in zip(found[rival], found[name]))
        (seconds, memory), ratio = middle[name], middle[rival][0] / middle[name][0]
        goal = (GOALS | ATTENTION_GOALS).get(name)
        verdict = "" if goal is None else "reached" if ratio >= goal else "missed"
        row = f"{job:<15}{name:<20}{seconds * 1000:>10.1f}{tokens / seconds:>11.1f}{ratio:>8.3f}{paired:>8.3f}"
        print(f"{row}{memory:>9.0f}{memory / middle[rival][1] if memory else 1:>8.3f}  {verdict}".rstrip(), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", choices=PREFIXES, default="qwen3", help="(default: %(default)s)")
    parser.add_argument("--gate", choices=("quality", "attention"), default="quality", help="(default: %(default)s)")
    parser.add_argument("--job", choices=JOBS, help="only this one")
    parser.add_argument("--rounds", type=int, default=12, help="runs of each job (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=28, help="fewer leave time for more rounds (default: 28)")
    parser.add_argument("--threads", type=int, help="1: CPU seconds, for a machine that does other work too")
    parser.add_argument("--smoke", action="store_true", help="one round at tiny sizes: shows that this script works")
    arguments = parser.parse_args(argv)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    work = Work(2, 8, 4, 1) if arguments.smoke else Work(2, 64, 16, arguments.rounds)
    sizes = QWEN3_06B | (TINY if arguments.smoke else {"num_hidden_layers": arguments.layers})
    if arguments.gate == "attention":
        contestants = attention_variants(arguments.model, sizes)
    else:
        contestants = variants(arguments.model, *build(arguments.model, sizes))
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{arguments.model}, {sizes['num_hidden_layers']} layers, {DTYPE}, {device}, load {os.getloadavg()[0]:.1f}")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {work}", flush=True)
    inputs = torch.randint(3, TINY["vocab_size"], (work.batch, work.tokens), device=DEVICE)
    insist_on_equality(contestants, inputs, work)
    print(f"{'':<35}{'median ms':>10}{'tokens/s':>11}{'ratio':>8}{'paired':>8}{'MiB':>9}{'ratio':>8}  goal")
    for job in [arguments.job] if arguments.job else JOBS:
        compare(job, contestants, inputs, work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
