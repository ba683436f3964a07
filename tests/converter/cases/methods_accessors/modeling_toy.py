class ToyModel:
    @property
    def size(self):
        return self._size

    @size.setter
    def size(self, value):
        self._size = value

    @property
    def other(self):
        return self._other

    @other.setter
    def other(self, value):
        self._other = value
