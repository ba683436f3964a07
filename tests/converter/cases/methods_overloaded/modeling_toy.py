from typing import overload

from torch import nn


class ToyModel(nn.Module):
    @overload
    def forward(self, x: int) -> int: ...

    @overload
    def forward(self, x: str) -> str: ...

    def forward(self, x):
        return x
