class ToyLayer:
    size = (1
