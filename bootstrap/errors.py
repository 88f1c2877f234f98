"""The one error family. `cli` is the only catcher: it prints message and hint and picks the exit code."""

from __future__ import annotations


class BootstrapError(Exception):
    """Something went wrong that the user can understand and act on; exit code 1.

    `message` says what happened and to what; `hint` says the next step to take. Neither holds a secret.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BootstrapError):
    """The command line itself is wrong; exit code 2."""

    exit_code = 2


class ConfigError(BootstrapError):
    """A file the user wrote has something wrong in it: every message names file, line and key."""


class NotSupportedYet(BootstrapError):
    """The user asked, in so many words, for something this version does not do."""


class ToolMissing(BootstrapError):
    """A program or package that this step needs is not on this machine."""


class TerraformFailed(BootstrapError):
    """Terraform ended with an error; the message carries its diagnostics."""


class StateLocked(TerraformFailed):
    """Another run holds the lock on a Terraform state; `lock_id`, `who` and `created` are as Terraform tells them."""

    def __init__(self, message: str, *, hint: str = "", lock_id: str = "", who: str = "", created: str = "") -> None:
        super().__init__(message, hint=hint)
        self.lock_id = lock_id
        self.who = who
        self.created = created


class AwsFailed(BootstrapError):
    """An AWS API call was refused or could not be made."""


class GitHubFailed(BootstrapError):
    """GitHub refused a request, or could not be asked."""


class Unfinished(BootstrapError):
    """All is done but what somebody else's service would not let us do; the hint has the command that finishes it."""

    exit_code = 5


class LeftBehind(BootstrapError):
    """Something of ours is still there, or could not be looked for; exit code 4."""

    exit_code = 4


class VerificationFailed(BootstrapError):
    """Everything was written, but using it the way a member would did not work."""


class Declined(BootstrapError):
    """The user answered no; nothing was changed."""
