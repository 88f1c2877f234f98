"""Copies of a SQLite database that a server may be writing to."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

# What a copy that leaves the machine must not carry, by table. Keys of model providers are encrypted, but where nobody
# sets a passphrase it is the one in MLflow's source (mlflow/utils/crypto.py); a webhook's address often is its secret.
SECRETS = {
    "secrets": "UPDATE secrets SET encrypted_value = x'', wrapped_dek = x'', masked_value = '', auth_config = NULL",
    "webhook_events": "DELETE FROM webhook_events",
    "webhooks": "DELETE FROM webhooks",
}


def copy(source: Path, target: Path, *, without_secrets: bool) -> None:
    """Copy the database as it is at one moment, in place of `target` (0600), once it is whole and on the disk.

    Raises sqlite3.Error if it cannot be read, is damaged or does not fit. https://www.sqlite.org/backup.html
    """
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as here,
        closing(sqlite3.connect(part)) as there,
    ):
        here.backup(there)
        # One file is the whole of it then, however the server writes its own.
        there.execute("PRAGMA journal_mode=DELETE")
        if without_secrets:
            tables = {name for (name,) in there.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in SECRETS.keys() & tables:
                there.execute(SECRETS[table])
            there.commit()
            # What was taken out is still in pages that nothing uses; they go with this.
            there.execute("VACUUM")
        (state,) = there.execute("PRAGMA integrity_check").fetchone()
    if state != "ok":
        part.unlink()
        raise sqlite3.DatabaseError(f"{source} is damaged: {state}")
    with part.open("rb") as whole:
        os.fsync(whole.fileno())
    part.replace(target)
