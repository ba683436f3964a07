from ..toy.modeling_toy import ToyMLP


class CaseMLP(ToyMLP):
	# a comment
	"""Indented
	by tabs."""

	def __init__(self, config):
		super().__init__(config)
		self.more = [
			config.size,
		]

	def forward(self, x):
		if x:
			# deeper
			return self.more
		# below
		return """
	a text"""


__all__ = ["CaseMLP"]
