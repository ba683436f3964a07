# coding=utf-8
# The licence of the toy goes nowhere.


import torch

# what this is for
import torch.nn as nn


class ToyModel(nn.Module):
    dtype = torch.float32
