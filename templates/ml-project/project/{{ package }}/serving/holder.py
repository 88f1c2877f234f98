"""Holds the model: fetched beside the API, so that it says "not yet" rather than nothing."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

# A registry that is restarted is back after some seconds; asking more often does not help it.
_AGAIN_SECONDS = 10.0

_said = logging.getLogger(__name__)
# What whoever has started the server reads in the terminal.
_terminal = logging.getLogger("uvicorn.error")


class Model(Protocol):
    """What can be asked for predictions."""

    @property
    def version(self) -> str:
        """The version in the registry, or what tells the file from others."""

    def predict(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return a price in BRL for each row of raw columns."""


class Holder:
    """Loads the model in a thread of its own, and again until it is there.

    `model` is None before that, and `reason` says what went wrong the last time, empty if nothing has. `loaded` is
    called with the model.
    """

    def __init__(self, load: Callable[[], Model], loaded: Callable[[Model], None]) -> None:
        self.model: Model | None = None
        self.reason = ""
        self._load, self._loaded = load, loaded
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._try_until_there, name="model", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        _terminal.info("Loading the model; /predict answers when it is ready.")
        self._thread.start()

    def stop(self) -> None:
        """Stop trying."""
        self._stopping.set()

    def _try_until_there(self) -> None:
        while not self._stopping.is_set():
            try:
                model = self._load()
            # Libraries raise what they like for a server that does not answer or a file that is not there.
            except Exception as error:  # noqa: BLE001
                # The first line is for people; the rest may be a page of a server's HTML.
                self.reason = str(error).strip().partition("\n")[0] or type(error).__name__
                _said.warning("The model could not be loaded: %s", self.reason)
                self._stopping.wait(_AGAIN_SECONDS)
            else:
                self._loaded(model)
                self.model, self.reason = model, ""
                _terminal.info("The model is ready: version %s.", model.version)
                return
