"""What comes after a model is served: what it was asked, and whether that still looks like what it learned from."""
