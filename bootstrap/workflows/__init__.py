"""The steps of each command in their order; what touches the world is an adapter."""
