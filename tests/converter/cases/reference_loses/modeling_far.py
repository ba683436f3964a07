ARGS = "args of Far"
LIMIT = 3


def describes(text):
    return lambda function: function


class FarHead:
    @describes(ARGS)
    def forward(self, x):
        return x
