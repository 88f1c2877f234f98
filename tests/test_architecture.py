"""Who may import whom. Each rule is a function of one module's source, so that it can be seen to fail.

The rules, where they say more than the layout in the design:

- Arrows go down: `cli → commands → workflows → {core, adapters} → {errors, redact}`. A module may use any layer
  below its own, not only the next. Adapters may use `core`, which is pure; core never uses an adapter.
- `ui` is used by `commands` and `cli` alone, and itself uses `core` and `errors`.
- `assets` (where the shipped files are) is used by workflows and adapters alone.
- Core imports the standard library, pydantic, `errors`, `redact` and core, and touches no file, process, network,
  clock or environment variable: no `os`, no `open(`, no `.read_text()`, no `datetime.now()`. `urllib.parse` is
  fine: it only takes text apart. So is `tomli`, which is the standard library's `tomllib` for Python 3.10.
- Adapters use, of the other adapters, `process`, `files` and `servers` (a server in the background, which two of
  them are). Modules inside the package `aws` may use each other.
- Only cli, commands and ui import click or rich; only `adapters/aws` imports boto3; only `adapters/aws` and
  `adapters/aws_profile` import botocore; only `adapters/process` imports subprocess.
- `bootstrap --help` answers at once: importing `bootstrap.cli` imports none of the heavy packages.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "bootstrap"
HEAVY = ("boto3", "botocore", "mlflow", "rich", "pydantic", "psutil", "python_terraform", "configobj", "moto", "copier")

LAYERS_BELOW = {
    "cli": {"commands", "workflows", "ui", "core", "adapters", "errors", "redact"},
    "commands": {"workflows", "ui", "core", "adapters", "errors", "redact"},
    "ui": {"core", "errors", "redact"},
    "workflows": {"core", "adapters", "assets", "errors", "redact"},
    "adapters": {"core", "assets", "errors", "redact"},
    "core": {"errors", "redact"},
    "assets": set(),
    "errors": set(),
    "redact": set(),
    "__main__": {"cli"},
    "__init__": set(),
}
SHARED_ADAPTERS = {"process", "files", "servers"}
# Package → the modules (or folders of modules) that may import it.
RESERVED = {
    "click": ("cli", "commands", "ui"),
    "rich": ("cli", "commands", "ui"),
    "boto3": ("adapters.aws",),
    "botocore": ("adapters.aws", "adapters.aws_profile"),
    "subprocess": ("adapters.process",),
}
CORE_MAY_IMPORT = {"pydantic", "pydantic_core", "tomli", "tomllib", "__future__"} | set(sys.stdlib_module_names)
CORE_MUST_NOT_IMPORT = {
    *("os", "io", "shutil", "tempfile", "glob", "fileinput", "pathlib", "sqlite3", "mmap"),  # files
    *("subprocess", "multiprocessing", "signal", "threading", "asyncio", "concurrent"),  # processes
    *("socket", "ssl", "http", "ftplib", "smtplib", "urllib.request", "urllib.error"),  # the network
    *("time", "random", "secrets", "uuid", "platform", "getpass", "locale", "builtins", "importlib"),  # the world
}
_CORE_MUST_NOT_CALL = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("sys.stdin", "sys.stdout", "sys.stderr", "sys.argv", "sys.exit"),
}
_IO_NAMES = {"open", "input", "print", "exec", "eval", "__import__"}
_IO_METHODS = {"read_text", "write_text", "read_bytes", "write_bytes", "open", "unlink", "mkdir", "exists", "environ"}

Rule = Callable[[str, str], list[str]]


def modules() -> dict[str, str]:
    """Return name within the package → source, for every module there is."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) > 1:
            parts = parts[:-1]
        found[".".join(parts)] = path.read_text(encoding="utf-8")
    return found


MODULES = modules()


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything imported anywhere in a module: at its top, in a function, for types."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def own_imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name (within the package) of the modules of ours that a module imports."""
    for line, name in imports(source):
        if name == "bootstrap" or name.startswith("bootstrap."):
            inner = name.removeprefix("bootstrap").removeprefix(".")
            while inner and inner not in MODULES:
                inner = inner.rpartition(".")[0]
            yield line, inner or "__init__"


def layer(module: str) -> str:
    return module.partition(".")[0]


def inside(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def arrows_go_down(module: str, source: str) -> list[str]:
    below = LAYERS_BELOW[layer(module)] | {layer(module), "__init__"}
    return [
        f"{module}:{line} imports {name}, which is not below it"
        for line, name in own_imports(source)
        if layer(name) not in below
    ]


def core_is_pure(module: str, source: str) -> list[str]:
    if layer(module) != "core":
        return []
    found = []
    for line, name in imports(source):
        top = name.partition(".")[0]
        foreign = top not in CORE_MAY_IMPORT | {"bootstrap"}
        if foreign or inside(name, tuple(CORE_MUST_NOT_IMPORT)):
            found.append(f"{module}:{line} imports {name}")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            written = ast.unparse(node)
            ends_so = any(written == each or written.endswith(f".{each}") for each in _CORE_MUST_NOT_CALL)
            if ends_so or node.attr in _IO_METHODS:
                found.append(f"{module}:{node.lineno} uses {written}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _IO_NAMES:
            found.append(f"{module}:{node.lineno} calls {node.func.id}()")
    return found


def adapters_stand_alone(module: str, source: str) -> list[str]:
    if layer(module) != "adapters":
        return []
    family = module.split(".")[1:2]
    return [
        f"{module}:{line} imports the adapter {name}"
        for line, name in own_imports(source)
        if layer(name) == "adapters"
        and name.split(".")[1:2] != family
        and not inside(name, tuple(f"adapters.{shared}" for shared in SHARED_ADAPTERS))
    ]


def packages_have_one_door(module: str, source: str) -> list[str]:
    return [
        f"{module}:{line} imports {name}"
        for line, name in imports(source)
        for package, doors in RESERVED.items()
        if name.partition(".")[0] == package and not inside(module, doors)
    ]


RULES: dict[str, Rule] = {
    "arrows go down": arrows_go_down,
    "core is pure": core_is_pure,
    "adapters stand alone": adapters_stand_alone,
    "packages have one door": packages_have_one_door,
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_holds_everywhere(rule: Rule) -> None:
    assert [broken for module, source in MODULES.items() for broken in rule(module, source)] == []


def test_every_module_is_looked_at() -> None:
    assert {"cli", "commands.up", "workflows.up", "core.plan", "adapters.process", "adapters.aws.session"} <= set(
        MODULES
    )
    assert {layer(module) for module in MODULES} <= set(LAYERS_BELOW)


BREAKS = {
    "core uses an adapter": (arrows_go_down, "core.x", "from bootstrap.adapters import process"),
    "an adapter uses a workflow": (arrows_go_down, "adapters.x", "def f():\n    from bootstrap.workflows.up import up"),
    "a workflow uses a command": (arrows_go_down, "workflows.x", "import bootstrap.commands.up"),
    "a workflow uses ui": (arrows_go_down, "workflows.x", "from bootstrap import ui"),
    "a command uses the cli": (arrows_go_down, "commands.x", "from bootstrap.cli import cli"),
    "a command uses assets": (arrows_go_down, "commands.x", "from bootstrap.assets import INFRA"),
    "errors use redact": (arrows_go_down, "errors", "from bootstrap.redact import redact"),
    "core uses ui, if only for types": (
        arrows_go_down,
        "core.x",
        "if TYPE_CHECKING:\n    from bootstrap.ui import table",
    ),
    "core imports os": (core_is_pure, "core.x", "import os"),
    "core imports os.path": (core_is_pure, "core.x", "from os.path import join"),
    "core imports pathlib": (core_is_pure, "core.x", "from pathlib import Path"),
    "core imports subprocess": (core_is_pure, "core.x", "import subprocess"),
    "core imports socket": (core_is_pure, "core.x", "import socket"),
    "core imports urllib.request": (core_is_pure, "core.x", "from urllib.request import urlopen"),
    "core imports time": (core_is_pure, "core.x", "from time import monotonic"),
    "core imports another's package": (core_is_pure, "core.x", "import requests"),
    "core opens a file": (core_is_pure, "core.x", "text = open('x').read()"),
    "core reads a path it was given": (core_is_pure, "core.x", "def f(path): return path.read_text()"),
    "core asks the clock": (core_is_pure, "core.x", "import datetime as dt\nnow = dt.datetime.now(dt.timezone.utc)"),
    "core asks the calendar": (core_is_pure, "core.x", "from datetime import date\ntoday = date.today()"),
    "core prints": (core_is_pure, "core.x", "print('x')"),
    "an adapter uses another": (adapters_stand_alone, "adapters.x", "from bootstrap.adapters import dvc"),
    "an adapter uses aws": (adapters_stand_alone, "adapters.x", "from bootstrap.adapters.aws.session import Aws"),
    "aws uses another adapter": (adapters_stand_alone, "adapters.aws.x", "from bootstrap.adapters.git import Git"),
    "a workflow imports click": (packages_have_one_door, "workflows.x", "import click"),
    "core imports rich": (packages_have_one_door, "core.x", "from rich.console import Console"),
    "a workflow imports boto3": (packages_have_one_door, "workflows.x", "import boto3.session"),
    "the emulator imports botocore": (
        packages_have_one_door,
        "adapters.emulator",
        "from botocore.config import Config",
    ),
    "aws_profile imports boto3": (packages_have_one_door, "adapters.aws_profile", "import boto3"),
    "git imports subprocess": (packages_have_one_door, "adapters.git", "from subprocess import run"),
}


@pytest.mark.parametrize(("rule", "module", "source"), BREAKS.values(), ids=BREAKS.keys())
def test_a_rule_can_be_broken(rule: Rule, module: str, source: str) -> None:
    assert len(rule(module, source)) == 1


KEEPS = {
    "a workflow uses core and adapters": (
        "workflows.x",
        "from bootstrap.core.plan import Plan\nfrom bootstrap.adapters import dvc",
    ),
    "an adapter uses the shared ones and core": (
        "adapters.x",
        "from bootstrap.adapters import servers\nfrom bootstrap.adapters.process import run\n"
        "from bootstrap.adapters.files import read_text\nfrom bootstrap.core.stream import Stream",
    ),
    "aws uses its own": ("adapters.aws.x", "import boto3\nfrom bootstrap.adapters.aws.session import Aws"),
    "core takes an address apart": (
        "core.x",
        "from urllib.parse import urlsplit\nimport datetime as dt\nx = dt.date(1, 2, 3)",
    ),
    "the cli knows the version": ("cli", "import click\nfrom bootstrap import __version__"),
}


@pytest.mark.parametrize(("module", "source"), KEEPS.values(), ids=KEEPS.keys())
def test_no_rule_minds_what_is_allowed(module: str, source: str) -> None:
    assert [broken for rule in RULES.values() for broken in rule(module, source)] == []


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that a fresh Python has loaded after one statement."""
    show = f"{statement}\nimport json, sys\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", show], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["cli", "__main__", "ui"])
def test_help_answers_at_once(module: str) -> None:
    assert loaded_by(f"import bootstrap.{module}") & set(HEAVY) == set()


def test_a_heavy_package_would_be_seen() -> None:
    assert "psutil" in loaded_by("import bootstrap.cli, psutil") & set(HEAVY)
