"""Writes the tables of inputs and outputs in infra/**/README.md out of each folder's variables.tf and outputs.tf.

`python docs/generate_module_readmes.py` writes the pages; with `--check` it only compares and exits 1 if one is old.
All else on a page is written by hand. Whoever begins a page puts the headers of the two tables there, each with its
line of dashes; the rows come from here.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).resolve().parents[1]
INFRA = ROOT / "infra"

_INPUTS = "| input | type | default | what it is |\n|---|---|---|---|\n"
_OUTPUTS = "| output | what it is |\n|---|---|\n"
_ROWS = r"(?:\|[^\n]*\n)*"

_READ_PLAINLY = hcl2.SerializationOptions(strip_string_quotes=True, explicit_blocks=False, with_comments=False)


def folders() -> list[Path]:
    """Return every module and root there is."""
    return sorted(path.parent for path in INFRA.rglob("versions.tf") if ".terraform" not in path.parts)


def render(folder: Path, page: str) -> str:
    """Return a folder's page with both tables as they are to be. Raises LookupError if it has no place for one."""
    for header, rows in ((_INPUTS, _input_rows(folder)), (_OUTPUTS, _output_rows(folder))):
        new = header + "".join(f"{row}\n" for row in rows)
        page, count = re.subn(re.escape(header) + _ROWS, lambda _, new=new: new, page)  # type: ignore[misc]
        if count != 1:
            raise LookupError(f"{folder / 'README.md'} has to have this once:\n{header}")
    return page


def _input_rows(folder: Path) -> Iterator[str]:
    for name, variable in _blocks(folder / "variables.tf", "variable"):
        kind = _without_mark(variable["type"])
        default = _value(variable["default"]) if "default" in variable else ""
        what = _description(variable["description"], dict(_defaults_of_keys(kind)))
        # What the keys of an object are is told behind, each with its name.
        short = re.sub(r"object\(\{.*\}\)", "object", kind)
        yield f"| `{name}` | {short} |{f' {default}' if default else ''} | {what} |"


def _output_rows(folder: Path) -> Iterator[str]:
    for name, output in _blocks(folder / "outputs.tf", "output"):
        yield f"| `{name}` | {_description(output['description'], {})} |"


def _blocks(file: Path, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with file.open(encoding="utf-8") as stream:
        found = hcl2.load(stream, serialization_options=_READ_PLAINLY)
    for block in found.get(kind, []):
        for name, content in block.items():
            yield name.strip('"'), content


def _description(written: str, defaults: dict[str, str]) -> str:
    """Return a description as a table's cell: one line, and each `key: …` of an object on a line of its own."""
    text = written.strip('"')
    if text.startswith("<<"):
        text = textwrap.dedent("\n".join(text.splitlines()[1:-1]))
    cell = ""
    for line in text.splitlines():
        key, colon, rest = line.partition(": ")
        if cell and colon and re.fullmatch(r"\w+", key):
            default = f" ({defaults[key]})" if key in defaults else ""
            cell += f"<br>`{key}`{default}: {_escaped(rest)}"
        else:
            cell += f" {_escaped(line.strip())}" if cell else _escaped(line.strip())
    return cell


def _escaped(text: str) -> str:
    """Return text that a page shows as it stands; what is in backticks is shown so anyway."""
    parts = text.replace('\\"', '"').replace("|", "\\|").split("`")
    parts[::2] = [re.sub(r"([*\[\]])", r"\\\1", part.replace("<", "&lt;")) for part in parts[::2]]
    return "`".join(parts)


def _defaults_of_keys(kind: str) -> Iterator[tuple[str, str]]:
    """Yield each key of an object type that has a default worth telling, and that: no null, and nothing empty."""
    for key in re.finditer(r"(\w+) = optional\(", kind):
        depth, begin = 0, None
        for sign in re.compile(r'"(?:[^"\\]|\\.)*"|[][(){},]').finditer(kind, key.end()):
            if sign[0] == "," and depth == 0:
                begin = sign.end()
            elif sign[0] in "([{":
                depth += 1
            elif sign[0] in ")]}" and depth:
                depth -= 1
            elif sign[0] == ")":
                default = kind[begin : sign.start()].strip() if begin else ""
                if default not in ("", '""', "[]", "{}"):
                    yield key[1], f"`{default.strip(chr(34))}`"
                break


def _without_mark(expression: str) -> str:
    """Take off the mark that the parser puts around whatever is not a plain value."""
    match = re.fullmatch(r"\$\{(.*)\}", expression, re.DOTALL)
    return match[1] if match else expression


def _value(default: Any) -> str:
    if isinstance(default, str):
        return f"`{_without_mark(default)}`" if default else '`""`'
    return f"`{json.dumps(default)}`"


def main() -> int:
    """Write or check the pages; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    check = parser.parse_args().check
    old = []
    for folder in folders():
        page = folder / "README.md"
        text = page.read_text(encoding="utf-8")
        if (new := render(folder, text)) != text:
            old.append(page)
            if not check:
                page.write_text(new, encoding="utf-8", newline="\n")
    for page in old if check else []:
        sys.stderr.write(f"{page.relative_to(ROOT)} is out of date: run `python docs/generate_module_readmes.py`.\n")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
