"""The generated files travel with a checkpoint: `trust_remote_code` needs neither this project nor a registration."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from families import LAYERS, Family, tokens
from rounding.layout import lay_out_anew

import transformers
from transformers import dynamic_module_utils
from transformers.models.auto.configuration_auto import CONFIG_MAPPING


@pytest.mark.parametrize("head", ["ForCausalLM", "ForSequenceClassification"])
def test_a_checkpoint_brings_its_code(
    family: Family, head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "modules")])
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        monkeypatch.delitem(sys.modules, name)  # of an earlier test, whose folder is gone
    auto = f"AutoModel{head}"
    gated = family.gated(head)
    monkeypatch.setattr(type(gated), "_auto_class", auto)
    monkeypatch.setattr(type(gated.config), "_auto_class", "AutoConfig")
    gated.save_pretrained(tmp_path / f"gated_{family.name}")
    for mapping in (CONFIG_MAPPING, getattr(transformers, auto)._model_mapping):
        # classes that an earlier test registered go before remote code
        monkeypatch.setattr(mapping, "_extra_content", {})
    loaded = getattr(transformers, auto).from_pretrained(tmp_path / f"gated_{family.name}", trust_remote_code=True)
    assert type(loaded).__name__ == type(gated).__name__ and type(loaded) is not type(gated)
    assert type(loaded).__module__.startswith("transformers_modules.")
    outputs = lay_out_anew(loaded)(tokens(), output_router_logits=True)
    assert torch.equal(outputs.logits, gated(tokens()).logits) and len(outputs.quality_logits) == LAYERS
