# Generated from templates/generated_init.py word for word.
# Do not edit generated/__init__.py: change the template and run `python utils/modular_converter.py --all`.
# Seal: sha256 5feebdebc839f903ff2b9e1754f208910bc98d4dcbd776aa9a89b8a1a65faf34
"""Gated models, one package for each base architecture, and their registration with transformers.

    from generated import register_quality_gate

    register_quality_gate()
    model = AutoModelForCausalLM.from_pretrained("path/to/a/gated/checkpoint")

Importing this package imports neither transformers nor torch.
"""

import importlib
import pkgutil


__all__ = ["register_quality_gate"]

# How a class name ends -> the Auto classes that serve it, as transformers does for its own models.
_AUTO_CLASSES = {
    "ForCausalLM": ("AutoModelForCausalLM",),
    "ForConditionalGeneration": ("AutoModelForImageTextToText", "AutoModelForCausalLM"),
    "ForSequenceClassification": ("AutoModelForSequenceClassification",),
    "ForTokenClassification": ("AutoModelForTokenClassification",),
    "ForQuestionAnswering": ("AutoModelForQuestionAnswering",),
    "PreTrainedModel": (),  # abstract
    "Model": ("AutoModel",),
}


def register_quality_gate() -> tuple[str, ...]:
    """Let transformers' Auto classes find every gated architecture of this package.

    Call it once before loading a gated checkpoint; calling it again changes nothing.

    Returns:
        The registered model types, sorted.

    Raises:
        RuntimeError: An Auto class does not answer with the class that was registered.
    """
    import transformers

    classes = [found for package in _packages() for found in _public_classes(package)]
    configs = [found for found in classes if issubclass(found, transformers.PreTrainedConfig) and found.model_type]
    pairs = [
        (getattr(transformers, auto), model)
        for model in classes
        if issubclass(model, transformers.PreTrainedModel)
        for auto in _auto_classes(model.__name__)
    ]
    for config in configs:
        transformers.AutoConfig.register(config.model_type, config, exist_ok=True)
    for auto, model in pairs:
        auto.register(model.config_class, model, exist_ok=True)
    # transformers may accept a registration and drop it, and one of our classes may displace another: look each one up.
    for config in configs:
        _insist(config, type(transformers.AutoConfig.for_model(config.model_type)), f"AutoConfig: {config.model_type}")
    for auto, model in pairs:
        answer = auto._model_mapping.get(model.config_class, None)
        _insist(model, answer, f"{auto.__name__}: {model.config_class.__name__}")
    return tuple(sorted(config.model_type for config in configs))


def _packages() -> list[str]:
    return sorted(
        module.name
        for module in pkgutil.iter_modules(__spec__.submodule_search_locations, f"{__name__}.")
        if module.ispkg
    )


def _public_classes(package: str) -> list[type]:
    """Classes that the configuration and modeling files of one gated model export."""
    model = package.rpartition(".")[2]
    files = [importlib.import_module(f"{package}.{kind}_{model}") for kind in ("configuration", "modeling")]
    exported = [getattr(file, name) for file in files for name in file.__all__]
    return [found for found in exported if isinstance(found, type)]


def _auto_classes(name: str) -> tuple[str, ...]:
    return next((autos for ending, autos in _AUTO_CLASSES.items() if name.endswith(ending)), ())


def _insist(registered: type, answer: type | None, key: str) -> None:
    if answer is not registered:
        raise RuntimeError(
            f"{key} was registered as {_full_name(registered)}, but transformers answers with {_full_name(answer)}. "
            "Remove or rename whichever of the two does not belong there, and register again in a fresh process."
        )


def _full_name(found: type | None) -> str:
    return f"{found.__module__}.{found.__qualname__}" if found else "nothing"
