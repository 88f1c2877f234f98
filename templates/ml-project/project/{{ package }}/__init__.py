"""Laptop prices: from a file of offers to a model that says what a laptop should cost, in reais."""

__version__ = "0.1.0"
