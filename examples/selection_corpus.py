"""Paragraphs of installed packages, some of them corrupted in ways that nobody trained a gate on."""

from __future__ import annotations

import random
import re
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from warmup import paragraphs


PACKAGES = (
    "torch", "transformers", "sklearn", "scipy", "pandas", "numpy", "matplotlib", "datasets", "pyarrow", "networkx",
    "sympy", "peft", "accelerate", "huggingface_hub", "hypothesis", "datatrove", "fsspec", "aiohttp", "jinja2", "rich",
)  # fmt: skip
BOILERPLATE = (
    "Click here to subscribe to our newsletter and never miss an update.",
    "All rights reserved. Terms of use and privacy policy apply.",
    "We use cookies to improve your experience. Accept all or manage your preferences.",
    "Share this on your favourite network, and leave a comment below.",
    "Sign in or create a free account to continue reading.",
    "You may also like these articles. Read more. Next page. Previous page.",
    "Advertisement. Scroll down to continue. Skip to content.",
    "Copyright by the owner. Powered by our platform. Back to top.",
)
FOREIGN = (
    "Die Funktion gibt eine Liste der Werte zurück, die in der Datei gefunden wurden.",
    "Wenn kein Argument angegeben ist, wird der Standardwert der Klasse verwendet.",
    "Der Benutzer kann die Größe des Fensters mit diesem Parameter selbst bestimmen.",
    "Bitte beachten Sie, dass ältere Versionen dieses Verfahren nicht unterstützen.",
    "La fonction renvoie une liste des valeurs qui se trouvent dans le fichier.",
    "Si aucun argument n'est donné, la valeur par défaut de la classe est utilisée.",
    "L'utilisateur peut choisir la taille de la fenêtre au moyen de ce paramètre.",
    "Veuillez noter que les anciennes versions ne prennent pas en charge ce procédé.",
    "La función devuelve una lista de los valores que se encuentran en el archivo.",
    "Si no se indica ningún argumento, se utiliza el valor predeterminado de la clase.",
    "El usuario puede elegir el tamaño de la ventana mediante este parámetro.",
    "Tenga en cuenta que las versiones anteriores no admiten este procedimiento.",
)
GOOD = "good"


def shuffled(text: str, generator: random.Random) -> str:
    """Its sentences in another order; where there is one only, its halves."""
    parts = re.split(r"(?<=[.;:])\s+", text)
    if len(parts) < 2:
        words = text.split()
        parts = [" ".join(words[len(words) // 2 :]), " ".join(words[: len(words) // 2])]
        return " ".join(parts)
    order = parts[:]
    while order == parts:
        generator.shuffle(order)
    return " ".join(order)


def boilerplate(text: str, generator: random.Random) -> str:
    """What pages have around texts, and a sentence of it left."""
    lines = generator.sample(BOILERPLATE, 3)
    return " ".join([lines[0], *lines[1:], *text.split()[:8]])


def foreign(text: str, generator: random.Random) -> str:
    """Sentences of another language, which is one of three."""
    start = generator.randrange(3) * 4
    return " ".join(generator.sample(FOREIGN[start : start + 4], 3))


def truncated(text: str, generator: random.Random) -> str:
    """Its begin is cut off in a word, and so is its end."""
    words = text.split()
    start = generator.randrange(1, max(len(words) // 3, 2))
    kept = words[start : start + max(len(words) // 3, 8)]
    return " ".join([kept[0][len(kept[0]) // 2 :], *kept[1:-1], kept[-1][: max(len(kept[-1]) // 2, 1)]])


def repeated(text: str, generator: random.Random) -> str:
    """Some of its n-grams over and over."""
    words, found = text.split(), []
    while len(found) < len(words):
        start = generator.randrange(max(len(words) - 5, 1))
        found += words[start : start + 5] * generator.randint(2, 4)
    return " ".join(found[: len(words)])


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "shuffled sentences": shuffled,
    "boilerplate": boilerplate,
    "wrong language": foreign,
    "truncated": truncated,
    "repeated n-grams": repeated,
}


def good_paragraphs(wanted: int, seed: int) -> list[tuple[str, str]]:
    """Package and paragraph, each once, `wanted` of them at most, drawn at random."""
    found = {text: package for package in PACKAGES for text in _of_package(package)}
    pairs = [(package, text) for text, package in found.items()]
    return random.Random(seed).sample(pairs, min(wanted, len(pairs)))


def _of_package(package: str) -> Iterator[str]:
    folder = Path(sysconfig.get_path("purelib")) / package
    for file in sorted(folder.rglob("*.py")):
        if "tests" not in file.parts:
            yield from paragraphs(file)


def records(pairs: list[tuple[str, str]], seed: int) -> Iterator[dict[str, Any]]:
    """Every third paragraph corrupted, kinds in turn; `kind` says how, which no tool reads."""
    generator, names = random.Random(seed), list(KINDS)
    for number, (package, text) in enumerate(pairs):
        kind = names[number // 3 % len(names)] if number % 3 == 2 else GOOD
        text = KINDS[kind](text, generator) if kind != GOOD else text
        yield {"id": f"p{number}", "source": package, "text": text, "kind": kind}
