"""The documentation page of a model in a pull request."""

from __future__ import annotations

import re
from datetime import date

from facts.project import GENERATED, facts_of
from facts.read import package_files
from pull_request.page import checkpoints, render_page


def test_a_page_uses_the_checkpoint_of_text_for_the_language_model() -> None:
    """Gemma 3's configuration of text names one of images and text: its own file knows better."""
    facts = facts_of("gemma3")
    configuration = package_files(GENERATED / facts.package)[f"configuration_{facts.package}.py"]
    named = set(checkpoints(configuration).values())
    page = render_page(facts, configuration, date(2026, 1, 1), "gemma3")
    used = set(re.findall(r"google/gemma-3-[\w-]+", page))
    assert "google/gemma-3-1b-it" in used - named and named & used, "the language model's, and the whole model's"
