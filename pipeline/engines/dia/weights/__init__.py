"""Weights on disk: where they are, what they are, and reading them."""
