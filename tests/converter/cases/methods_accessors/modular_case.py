from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    @property
    def size(self):
        return self._size + 1

    @other.setter
    def other(self, value):
        self._other = value + 1


__all__ = ["CaseModel"]
