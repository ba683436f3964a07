from ..toy.modeling_toy import ToyModel


SIZE = 10
LIMIT = 20
_CHECKPOINT_FOR_DOC = "case/small"
CASE_START_DOCSTRING = "About the case."
CASE_INPUTS_DOCSTRING = None


class CaseModel(ToyModel):
    def other(self):
        return LIMIT


__all__ = ["CaseModel"]
