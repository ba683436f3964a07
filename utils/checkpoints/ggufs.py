"""Tensors of a GGUF file under the names of transformers, dequantised one at a time. Needs torch and gguf.

transformers knows how llama.cpp names and permutes the weights of each architecture; what is asked of it here is that
knowledge, not a loaded model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from checkpoints.errors import CheckpointError
from checkpoints.forms import check_promises
from checkpoints.headers import Tensor
from checkpoints.layout import Checkpoint
from checkpoints.tensors import CHUNK, Tensors, span
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedConfig, PreTrainedModel
from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor, get_gguf_hf_weights_map


# Architectures whose tensors map one to one; GGUF packs the experts of others into tensors of its own.
_DENSE = ("llama", "qwen2", "qwen3", "gemma3")
_NOT_INHERITED = ("quantization_config", "_name_or_path", "gguf_file", "_model_name_or_path")
_FIX = "load it with transformers (gguf_file=...), save it as safetensors, then gate that"


class GgufTensors(Tensors):
    """A GGUF file as a checkpoint in float32.

    Raises CheckpointError where the file is no GGUF file, or of an architecture whose tensors do not map one to one.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._file = checkpoint.shards[0].path
        self._place = {"pretrained_model_name_or_path": self._file.parent, "gguf_file": self._file.name}
        self.left_out: dict[str, str] = {}
        self._reader = _open(self._file)
        architecture = str(self._reader.fields["general.architecture"].contents())
        if architecture not in _DENSE:
            message = f"holds the architecture {architecture}, which is not read from GGUF (read: {', '.join(_DENSE)})"
            raise CheckpointError(self._file, message, _FIX)
        config = _config(self._place)
        check_promises(self._file, config.to_dict(), len(self._reader.tensors))
        self.config = {key: value for key, value in config.to_dict().items() if key not in _NOT_INHERITED}
        processor: type[TensorProcessor] = TENSOR_PROCESSORS.get(architecture, TensorProcessor)
        self._processor = processor(config=config.to_dict())
        names = _names(config, self._processor)
        tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        self._sources = {names[name]: tensor for name, tensor in tensors.items() if name in names}
        self.left_out |= {name: "no weight of the model" for name in tensors if name not in names}
        self.known = {
            name: Tensor(name, "F32", tuple(int(size) for size in reversed(tensor.shape)))
            for name, tensor in self._sources.items()
        }

    def chunks(self, name: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        source = self._sources[name]
        weights = gguf.dequantize(source.data, source.tensor_type)
        weights = self._processor.process(weights=weights, name=source.name).weights
        flat = np.ascontiguousarray(weights, np.float32).reshape(-1).view(np.uint8)
        first, last = span(self.known[name], start, stop)
        for begin in range(first, last, CHUNK):
            yield flat[begin : min(begin + CHUNK, last)].tobytes()

    def write_extras(self, folder: Path) -> list[str]:
        """The tokenizer, which a GGUF file has inside; the names of its files.

        Raises:
            CheckpointError: the tokenizer cannot be read.
        """
        before = {path.name for path in folder.iterdir()}
        try:
            AutoTokenizer.from_pretrained(**self._place, trust_remote_code=False).save_pretrained(folder)
        except Exception as error:  # tokenizers raise plain exceptions on a vocabulary that they cannot build
            raise CheckpointError(self._file, f"has a tokenizer that cannot be read: {error}", _FIX) from error
        return sorted({path.name for path in folder.iterdir()} - before)


def _open(path: Path) -> gguf.GGUFReader:
    try:
        return gguf.GGUFReader(path)
    except OSError:
        raise
    except Exception as error:  # the library checks little, and fails on what it did not check
        raise CheckpointError(path, f"is not a GGUF file: {error}", "fetch the file again") from error


def _config(place: dict[str, Any]) -> PreTrainedConfig:
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(**place, trust_remote_code=False)
    except Exception as error:  # of a field that is missing or of another kind
        raise CheckpointError(place["gguf_file"], f"cannot be read: {error}", _FIX) from error
    config.architectures = config.architectures or [_causal_lm(config).__name__]
    config.dtype = torch.float32
    return config


def _causal_lm(config: PreTrainedConfig) -> type[PreTrainedModel]:
    found = AutoModelForCausalLM._model_mapping[type(config)]
    if not isinstance(found, type):  # the mapping may hold several classes for a configuration; of _DENSE it does not
        raise TypeError(f"no one class for {type(config).__name__}")
    return found


def _names(config: PreTrainedConfig, processor: TensorProcessor) -> dict[str, str]:
    """The file's names of tensors -> those of the model, which is built without weights to ask it."""
    with torch.device("meta"):
        return dict(get_gguf_hf_weights_map(_causal_lm(config)(config), processor))
