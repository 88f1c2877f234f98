"""The line in bootstrap.toml that ties an environment to its AWS account: put in and taken out by splicing text.

Every other byte of the file stays. The result is read again before it is given back: a file that is laid out in a way
which is not understood here (inline tables, dotted keys) is left alone.
"""

from __future__ import annotations

import re
from typing import Any

from bootstrap.core.toml_lines import TomlSyntaxError, parse

_WHY = "# `bootstrap up` wrote this: no other account is touched"
_LINE = re.compile(rf'account = "[0-9]{{12}}"  {re.escape(_WHY)}')


def put_account(text: str, env: str, account: str) -> str | None:
    """Return `text` with the account of `[environments.ENV]` in it, right below that header.

    None if the file has no such header, already says an account, or would say something else afterwards. `account`
    has twelve digits.
    """
    header = re.compile(rf"""[ \t]*\[[ \t]*environments[ \t]*\.[ \t]*(["']?){re.escape(env)}\1[ \t]*\][^\r\n]*""")
    lines = text.splitlines(keepends=True)
    newline = "\r\n" if "\r\n" in text else "\n"
    line = f'account = "{account}"  {_WHY}'
    for position, one in enumerate(lines):
        if not header.fullmatch(one.rstrip("\r\n").removeprefix("\ufeff")):
            continue
        is_whole = one.endswith("\n")
        spliced = [one, line + newline] if is_whole else [one + newline, line]
        changed = "".join([*lines[:position], *spliced, *lines[position + 1 :]])
        # The header may stand inside of a text of several lines.
        if (says := _says(changed)) is not None and says == _with_account(_says(text), env, account):
            return changed
    return None


def take_account(text: str, env: str) -> str:
    """Return `text` without the line that `put_account` wrote for `env`; the same text if there is none."""
    lines = text.splitlines(keepends=True)
    for position, one in enumerate(lines):
        if not _LINE.fullmatch(one.rstrip("\r\n")):
            continue
        before = lines[:position]
        if not one.endswith("\n") and before:
            before[-1] = before[-1].rstrip("\r\n")
        changed = "".join([*before, *lines[position + 1 :]])
        if (says := _says(changed)) is not None and says == _with_account(_says(text), env, None):
            return changed
    return text


def _says(text: str) -> dict[str, Any] | None:
    try:
        return parse(text.removeprefix("\ufeff"))
    except TomlSyntaxError:
        return None


def _with_account(document: dict[str, Any] | None, env: str, account: str | None) -> dict[str, Any] | None:
    """Return a document as it is with another account for `env`; None: with none."""
    if document is None:
        return None
    environments = document.get("environments", {})
    table = {key: value for key, value in environments.get(env, {}).items() if key != "account"}
    if account is not None:
        table["account"] = account
    return {**document, "environments": {**environments, env: table}}
