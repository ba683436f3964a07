"""What a base may do that scores cannot follow: each sign by a call that shows it, and by ones that nearly do."""

from __future__ import annotations

import pytest
from diagnostics.errors import ConversionError
from syntax.modules import Module, module_of
from weave.limits import SIGNS, Sign, check_runs


FORWARD = """\
class ToyModel:
    def forward(self, input_ids, attention_mask=None):
        mask = make_mask(attention_mask)
        return {}
"""
# By the model that a sign was found in: calls that show it, and calls that do not.
CALLS = {
    "musicgen": (
        ("input_ids.reshape(-1, self.num_codebooks, input_ids.shape[-1])", "x.reshape(\n  -1,\n  self.num_codebooks)"),
        ("x.reshape(-1, self.num_heads)", "x.reshape(self.num_codebooks, -1)", "x.view(-1, self.num_codebooks)"),
    ),
    "musicgen_melody": (
        (
            "torch.cat([encoder_hidden_states, inputs_embeds], dim=1)",
            "torch.cat((a, embedding_output), 1)",
            "torch.cat((prompt, input_ids), dim=1)",
        ),
        (
            "torch.cat((a, hidden_states), dim=-1)",
            "torch.cat((a, decoder_input_ids), dim=1)",
            "torch.stack((a, hidden_states), dim=1)",
            "torch.cat((a, b), dim=1)",
            "torch.cat(dim=1)",
        ),
    ),
}


def check(module: Module) -> None:
    check_runs(module, module.classes["ToyModel"], [], [])


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.case)
def test_a_sign_is_refused_with_the_line_of_its_call_and_its_near_misses_are_not(sign: Sign) -> None:
    shown, near = CALLS[sign.case]
    for call in shown:
        with pytest.raises(ConversionError) as refused:
            check(module_of(FORWARD.format(call)))
        (problem,) = refused.value.diagnostics
        assert (problem.code, problem.line) == ("no-samples", 4) and sign.message.format(model="ToyModel") in str(
            problem
        )
    for call in near:
        check(module_of(FORWARD.format(call)))


def test_every_sign_says_why_and_has_a_case_of_its_own() -> None:
    assert [sign.case for sign in SIGNS] == list(CALLS)
    assert all(len(sign.why.split()) > 5 and "{model}" in sign.message for sign in SIGNS)


def test_a_mask_that_is_only_asked_for_is_ignored() -> None:
    ignored = FORWARD.replace("mask = make_mask(attention_mask)", "if attention_mask is not None: warn()")
    with pytest.raises(ConversionError, match="takes an attention mask and ignores it"):
        check(module_of(ignored.format("input_ids")))


def test_a_model_that_is_given_no_tokens_is_refused() -> None:
    with pytest.raises(ConversionError, match="is given no tokens"):
        check(module_of(FORWARD.replace("input_ids", "pixel_values").format("pixel_values")))
