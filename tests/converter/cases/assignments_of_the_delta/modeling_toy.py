SIZE = 1
_CHECKPOINT_FOR_DOC = "toy/small"
TOY_START_DOCSTRING = "About the toy."
TOY_INPUTS_DOCSTRING = "What the toy is given."


class ToyModel:
    parts = [SIZE, TOY_START_DOCSTRING, TOY_INPUTS_DOCSTRING, _CHECKPOINT_FOR_DOC]
