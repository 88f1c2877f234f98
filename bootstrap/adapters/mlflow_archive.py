"""A copy of what an MLflow server remembers: runs, parameters, metrics, models; no account and no secret."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bootstrap.adapters.files import PRIVATE_FILE
from bootstrap.errors import BootstrapError

# What the copy must not carry, by table. Keys of model providers are encrypted, but where nobody sets a passphrase it
# is the one in MLflow's source (mlflow/utils/crypto.py). A webhook's address often is its secret, and a copy that is
# served must not call anybody.
_SECRETS = {
    "secrets": "UPDATE secrets SET encrypted_value = x'', wrapped_dek = x'', masked_value = '', auth_config = NULL",
    "webhook_events": "DELETE FROM webhook_events",
    "webhooks": "DELETE FROM webhooks",
}


def copy_database(source: Path, target: Path) -> None:
    """Copy the SQLite database of a server that may be running, as it is at one moment, in place of `target`.

    Secrets that people left in it are taken out. The same content gives the same file. Raises BootstrapError if it
    cannot be read, or what was copied is not sound. https://www.sqlite.org/backup.html
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as here,
            closing(sqlite3.connect(part)) as there,
        ):
            here.backup(there)
            # One file is the whole of it then, however the server writes its own.
            there.execute("PRAGMA journal_mode=DELETE")
            tables = {name for (name,) in there.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in _SECRETS.keys() & tables:
                there.execute(_SECRETS[table])
            there.commit()
            # What was taken out is still in pages that nothing uses; they go with this.
            there.execute("VACUUM")
            (state,) = there.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.Error as error:
        part.unlink(missing_ok=True)
        raise _broken(source, str(error)) from error
    if state != "ok":
        part.unlink()
        raise _broken(source, str(state))
    part.chmod(PRIVATE_FILE)
    part.replace(target)


def _broken(source: Path, why: str) -> BootstrapError:
    return BootstrapError(
        f"The database of MLflow, {source}, cannot be copied: {why}.",
        hint="Look whether the disk is full. If the database is damaged, put it aside to go on without its runs.",
    )
