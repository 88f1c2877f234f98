"""The one error of this project that is a message to its reader, and no traceback."""

from __future__ import annotations


class ProjectError(Exception):
    """Something is wrong that whoever reads the message can put right; `hint` says how."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
