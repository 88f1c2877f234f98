"""Which word on the command line is which module. Each has a `command`, and is imported when it is asked for."""

from __future__ import annotations

# Word → (module, what it does in one line).
COMMANDS: dict[str, tuple[str, str]] = {
    "sample": (".sample", "write the synthetic sample into data/raw"),
    "ingest": (".ingest", "read the raw file, put bad rows into a report"),
    "process": (".process", "spell all values alike, drop rows that are there twice"),
    "features": (".features", "hold a fifth back, describe what the model gets"),
    "train": (".train", "fit the model"),
    "evaluate": (".evaluate", "score it on what was held back; exit code 1: not good enough"),
    "search": (".search", "look for better settings of the model"),
    "register": (".register", "put the model into the registry as a candidate"),
    "promote": (".promote", "make a registered version `staging` or `champion`"),
    "rollback": (".rollback", "give an alias back to the version that had it before"),
    "predict": (".predict", "predict the prices of a file of laptops"),
    "serve": (".serving.serve", "run the API"),
    "frontend": (".serving.frontend", "run the page in front of the API"),
    "drift": (".monitoring.drift", "compare recent predictions with the training data; exit code 4: drift"),
}
