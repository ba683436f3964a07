"""What transformers' tester for language models gets wrong of other models, read off their modeling file.

Encoders that decode (BERT and its kin) have test files of their own there, of another tester.
"""

from __future__ import annotations

import re


# Both biases of a head are one parameter where embeddings are tied: untied, one of them is in no forward and gets no gradient.
_TIED_BIAS = re.compile(r'"[\w.]+\.bias": "[\w.]+\.bias"')
_LABELLED_ANSWERS = re.compile(r"self\.qa_outputs = nn\.Linear\([\w.]+, config\.num_labels\)")
_ANSWERS = "test_question_answering_model"


def tester_sizes(modeling: str) -> dict[str, bool]:
    """Attributes that the tester has otherwise than this model can be trained with."""
    return {"tie_word_embeddings": True} if _TIED_BIAS.search(modeling) else {}


def tester_skips(modeling: str) -> dict[str, str]:
    """Tests of the tester that ask of a model what its base has otherwise, with the reason."""
    if not _LABELLED_ANSWERS.search(modeling):
        return {}
    return {
        _ANSWERS: "The head has an output for each label, as the head of the base has, and the test asks for three"
    }
