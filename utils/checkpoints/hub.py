"""The folder that a base's name leads to: a path, or a repository of the Hub, from the cache where that is enough."""

from __future__ import annotations

from pathlib import Path

from diagnostics.errors import words_of

from checkpoints.errors import CheckpointError


# Other formats of the same weights. Of what is in folders, templates are copied along and nothing else.
_TEMPLATES = ["additional_chat_templates/*"]  # and folders in it
_OTHERS = ["*.h5", "*.msgpack", "*.onnx", "*.onnx_data", "*.pt", "*.pth", "*.gguf", "*/*"]


def find_folder(base: str | Path) -> Path:
    """Raises CheckpointError where there is no such folder, and no such repository either."""
    path, name = Path(base).expanduser(), str(base)
    if named_gguf(base):
        return path.parent
    if path.is_symlink() or path.exists():
        return path
    if name.startswith((".", "/", "~")) or not 1 <= len(name.strip("/").split("/")) <= 2:
        raise CheckpointError(path, "does not exist", "give the folder of a checkpoint, or a name on the Hub")
    return _fetch(name)


def named_gguf(base: str | Path) -> str:
    """The name of a GGUF file, which is a checkpoint by itself whatever lies beside it; "" where `base` is none."""
    path = Path(base).expanduser()
    return path.name if path.suffix == ".gguf" and path.is_file() else ""


def _fetch(name: str) -> Path:
    # Imported when it is needed: it takes longer than an overlay.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        folder = Path(snapshot_download(name, ignore_patterns=[*_OTHERS, "*.bin", "*.bin.index.json"]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, ignore_patterns=_OTHERS))
        return Path(snapshot_download(name, allow_patterns=_TEMPLATES, revision=folder.name))
    except HFValidationError as error:
        raise CheckpointError(name, "is not a folder, and not a name on the Hub", "check the path") from error
    except Exception as error:  # of the network, of access, of the cache: the Hub's client has a class for each
        fix = "check the name, fetch the repository while online (hf download), or give a folder"
        raise CheckpointError(
            name, f"is not a folder, and was not found on the Hub: {words_of(error)}", fix
        ) from error
