"""The machine that serves MLflow on AWS: what can be said of it without one, and its boot in an emulated computer."""
