"""Tools that load models by themselves take gated checkpoints, by `python -m generated.run` or after registration."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from checkpoints_of_tools import saved_pair
from families import Family

from generated import register_gates, run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(model: Path, log: Path) -> Iterator[str]:
    """The address of `transformers serve`, which the launcher runs until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "generated.run", "transformers", "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"HF_HUB_OFFLINE": "1"})
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(600):
                if server.poll() is not None:
                    break
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=5)
                    break
                except URLError:
                    time.sleep(0.2)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def answer(address: str) -> dict[str, Any]:
    asked = {"messages": [{"role": "user", "content": "a b c"}], "max_tokens": 8, "temperature": 0, "stream": False}
    request = urllib.request.Request(
        f"{address}/v1/chat/completions", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.load(reply)


def test_transformers_serve_answers_over_http(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="transformers[serving] is not installed")
    base, gated = saved_pair(tmp_path)
    with serving(gated, tmp_path / "log.txt") as address:
        said = answer(address)
    message = said["choices"][0]["message"]["content"]
    assert said["model"] == str(gated) and message == continuation(base, said["usage"]["completion_tokens"])


def continuation(folder: Path, count: int) -> str:
    """What the base says itself, without a server."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    given = tokenizer("a b c", return_tensors="pt", return_token_type_ids=False)
    out = model.generate(**given, max_new_tokens=count, do_sample=False)
    return tokenizer.decode(out[0, given["input_ids"].shape[1] :], skip_special_tokens=True)


TASK = """
task: letters
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/letters.jsonl}}, cache_dir: {folder}/cache}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{{{text}}}}"
doc_to_target: "{{{{target}}}}"
metric_list: [{{metric: perplexity, aggregation: mean, higher_is_better: false}}]
"""


def test_lm_eval_measures_what_it_measures_of_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval", reason="lm-eval is not installed")
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))  # the launcher adds to it
    monkeypatch.setattr(sys, "argv", [])
    (tmp_path / "letters.yaml").write_text(TASK.format(folder=tmp_path))
    rows = [{"text": " ".join("abcdefgh"[: 3 + i % 4]), "target": f" {'ijklmnop'[i]}"} for i in range(8)]
    (tmp_path / "letters.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = []
    for folder in saved_pair(tmp_path):
        given = ["--model", "hf", "--model_args", f"pretrained={folder},dtype=float32", "--device", "cpu"]
        given += ["--tasks", "letters", "--include_path", str(tmp_path), "--output_path", str(tmp_path / "out")]
        run.main(["lm_eval", *given])
        newest = max((tmp_path / "out").rglob("results*.json"), key=os.path.getmtime)
        found.append(json.loads(newest.read_text())["results"]["letters"]["perplexity,none"])
        newest.unlink()
    assert found[0] == found[1] < -1  # nats


def test_peft_adapts_by_default_what_it_adapts_of_the_base(family: Family) -> None:
    peft = pytest.importorskip("peft")
    register_gates()
    names = []
    for model in family.pair():
        try:
            adapted = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM"))
            names.append(adapted.targeted_module_names)
        except ValueError as error:  # PEFT knows no default for the base
            names.append(str(error))
    assert names[0] == names[1]
    assert family.name == "gpt_oss" or any("q_proj" in name for name in names[0])
