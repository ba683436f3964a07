"""What a generated model is, read off its text; and tiny sizes for any configuration."""
