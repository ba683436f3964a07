from ...utils import auto_docstring, check


@auto_docstring
class ToyNorm:
    @check
    @auto_docstring
    def forward(self, x):
        return x + 1

    @check
    def other(self, x):
        return x + 1


@auto_docstring
class ToyMLP:
    pass


@auto_docstring
class ToyModel:
    @check
    def forward(self, x):
        return x + 1
