"""What `bootstrap.toml` may say, and what is wrong with one that says something else.

Pure: the caller reads the file. The only module that knows pydantic; its errors never leave it as they are.
"""

from __future__ import annotations

import datetime as dt
import difflib
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from bootstrap.core import names
from bootstrap.core.toml_lines import KeyPath, TomlSyntaxError, key_lines, nearest_line, parse
from bootstrap.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FILE_NAME = "bootstrap.toml"
DEFAULT_REGION = "us-east-1"
DEFAULT_ROSTER = "members.csv"
GITHUB_API = "https://api.github.com"
DAGSHUB = "https://dagshub.com"
WELL_KNOWN_ENVIRONMENTS = ("devl", "stag", "prod")

_REGION = re.compile(
    r"[a-z]{2,4}(-[a-z]{2,4})?-(central|north|south|east|west|northeast|northwest|southeast|southwest)-[1-9]\d?",
    re.ASCII,
)
# No character that AWS refuses in a tag's value: the owner becomes one.
_EMAIL = re.compile(r"[A-Za-z0-9._+-]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
_INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")
_LOGIN = re.compile(r"(?=.{1,39}\Z)[A-Za-z0-9][A-Za-z0-9-]*(?:_[A-Za-z0-9]+)?")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+")
# https://git-scm.com/docs/git-check-ref-format, as far as a branch's name goes
_NOT_A_BRANCH = re.compile(r"^[-/]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|(^|/)\.|[/.]$|\.lock(/|$)|^@?$")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html
_ACCOUNT = re.compile(r"[0-9]{12}")

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
_FARGATE_MEMORY: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
_VOLUME_GB = (8, 16384)


def region_problem(text: str) -> str | None:
    """Say why `text` cannot be an AWS region, or None if it looks like one."""
    if _REGION.fullmatch(text):
        return None
    if text and _REGION.fullmatch(text[:-1]) and text[-1].isalpha():
        return f"is an availability zone; its region is {text[:-1]}"
    return "is not the name of an AWS region"


def owner_problem(text: str) -> str | None:
    """Say why `text` cannot be the owner's address, or None if it can."""
    return None if _EMAIL.fullmatch(text) else "is not a plain email address"


def default_branch(environment: str) -> str:
    """Return the git branch of an environment that names none."""
    return "main" if environment == "prod" else environment


def _refused(problem: str, advice: str | None = None) -> PydanticCustomError:
    """Make a validator's error; where `advice` on what to write is None, the field's example is shown."""
    return PydanticCustomError("refused", "{problem}", {"problem": problem, "advice": advice})


def _checked(problem_of: Callable[[str], str | None]) -> AfterValidator:
    """Make a validator of a function that says what is wrong with a text."""

    def check(text: str) -> str:
        if problem := problem_of(text):
            raise _refused(problem)
        return text

    return AfterValidator(check)


def _matching(pattern: re.Pattern[str], problem: str) -> AfterValidator:
    """Make a validator that takes only what `pattern` matches from end to end."""
    return _checked(lambda text: None if pattern.fullmatch(text) else problem)


def _about(meaning: str, example: object) -> Any:
    """Describe a field; the example is what a message proposes to write."""
    return Field(description=meaning, examples=[example])


def _project(text: str) -> str:
    if problem := names.project_problem(text):
        raise _refused(problem, f"write project = {_toml(names.slugify(text, fallback='course'))}")
    return text


def _environment_name(text: str) -> str:
    if problem := names.environment_problem(text):
        close = re.sub(r"[\s_-]+", "-", text.strip().lower())
        fits = names.environment_problem(close) is None
        raise _refused(f"this name {problem}", f"write [environments.{close}]" if fits else "choose another")
    return text


def _day(value: object) -> object:
    if type(value) is dt.date:
        return value
    if isinstance(value, dt.datetime):
        raise _refused("takes a day without an hour", f"write expires = {value.date().isoformat()}")
    if isinstance(value, str):
        try:
            day = dt.date.fromisoformat(value)
        except ValueError:
            raise _refused(f"takes a date, not {_described(value)}") from None
        raise _refused("takes a date without quotes", f"write expires = {day.isoformat()}")
    raise _refused(f"takes a date, not {_described(value)}")


def _positive(value: float) -> float:
    if not 0 < value < float("inf"):
        raise _refused(f"takes a number above 0, not {value:g}")
    return value


def _volume(value: int) -> int:
    least, most = _VOLUME_GB
    if not least <= value <= most:
        raise _refused(f"takes {least} to {most}, not {_toml(value)}")
    return value


def _network(text: str) -> str:
    try:
        # What follows a %, as in fe80::1%eth0, means something on one machine only.
        network = "" if "%" in text else str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        network = ""
    if not network:
        raise _refused(f"has {_toml(text)}, which is no network of addresses")
    if network != text:
        raise _refused(f"has {_toml(text)}, which is not how its network is written", f"write {_toml(network)}")
    return text


def _cpu(value: int) -> int:
    if value not in _FARGATE_MEMORY:
        raise _refused(f"takes {_any_of(_FARGATE_MEMORY)} (1024 is one processor), not {_toml(value)}")
    return value


def _repository(text: str) -> str:
    if _REPOSITORY.fullmatch(text) and not text.endswith(".git"):
        return text
    pasted = re.search(r"[/:]([^/:\s]+/[^/:\s]+?)(\.git)?/?$", "/" + text)
    inner = pasted[1] if pasted and _REPOSITORY.fullmatch(pasted[1]) else None
    raise _refused("takes owner/name and nothing around it", f"write repository = {_toml(inner)}" if inner else None)


def _api_url(text: str) -> str:
    try:
        url = urlsplit(text)
        _ = url.port  # reading it is what checks it
    except ValueError:
        raise _refused("is not the address of an API") from None
    is_plain = url.hostname and text.isprintable() and " " not in text
    if url.scheme not in ("http", "https") or not is_plain or url.query or url.fragment or "@" in url.netloc:
        raise _refused("is not the address of an API")
    if url.scheme == "http" and url.hostname not in _LOOPBACK:
        raise _refused("would send the token in clear", "begin it with https://")
    return text.rstrip("/")


_Branch: TypeAlias = Annotated[
    str, _checked(lambda text: "is not a git branch's name" if _NOT_A_BRANCH.search(text) else None)
]
_FilePath: TypeAlias = Annotated[
    str, _checked(lambda text: None if text and text.isprintable() else "is not the path of a file")
]
_Repository: TypeAlias = Annotated[str, AfterValidator(_repository)]
_Domain: TypeAlias = Annotated[
    Annotated[str, _matching(_DOMAIN, "is not a plain domain name")] | None,
    _about("the name under which MLflow answers", "mlflow.example.org"),
]
_Networks: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...],
    # A TOML list is a Python list, which a strict tuple would refuse.
    Field(strict=False),
    _about("networks that may open MLflow; none by default", ["203.0.113.0/24"]),
]


_Reviewers: TypeAlias = Annotated[
    tuple[Annotated[str, _matching(_LOGIN, "has what is nobody's name on GitHub")], ...],
    # A TOML list is a Python list, which a strict tuple would refuse.
    Field(strict=False),
    _about("who on GitHub must approve a workflow's run, one of them", ["ana-example"]),
]


class _Table(BaseModel):
    """A table of the file: nothing unknown in it, no type guessed, nothing changed after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Ec2Mlflow(_Table):
    """An MLflow server on one virtual machine."""

    kind: Literal["ec2"]
    instance_type: Annotated[
        str,
        _matching(_INSTANCE_TYPE, "is not a type of EC2 instance"),
        _about("size of the machine", "t3.small"),
    ] = "t3.small"
    domain: _Domain = None
    allowed_cidrs: _Networks = ()
    volume_gb: Annotated[int, AfterValidator(_volume), _about("size of its disk, in GB", 20)] = 20


class EcsMlflow(_Table):
    """An MLflow server in a container on Fargate."""

    kind: Literal["ecs"]
    domain: _Domain = None
    allowed_cidrs: _Networks = ()
    cpu: Annotated[int, AfterValidator(_cpu), _about("1024 is one processor", 512)] = 512
    memory: Annotated[int, _about("in MB", 2048), Field(validate_default=True)] = 2048

    @field_validator("memory")
    @classmethod
    def _fits_the_cpu(cls, value: int, info: ValidationInfo) -> int:
        """Fargate sells only some pairs. A cpu that is wrong by itself is not in `info.data`: told once."""
        allowed = _FARGATE_MEMORY.get(info.data.get("cpu", 0), (value,))
        if value not in allowed:
            raise _refused(f"cannot be {_toml(value)} when cpu is {info.data['cpu']}", f"write {_any_of(allowed)}")
        return value


class DagshubMlflow(_Table):
    """The MLflow server of a DagsHub repository."""

    kind: Literal["dagshub"]
    repository: Annotated[_Repository, _about("user/name of the repository on DagsHub", "ana/my-course")]
    url: Annotated[str, AfterValidator(_api_url), _about("DagsHub, or a server of your own", DAGSHUB)] = DAGSHUB


class NoMlflow(_Table):
    """No MLflow at all, said on purpose."""

    kind: Literal["none"]


Mlflow: TypeAlias = Ec2Mlflow | EcsMlflow | DagshubMlflow | NoMlflow
_MLFLOW: dict[str, type[_Table]] = {
    "ec2": Ec2Mlflow,
    "ecs": EcsMlflow,
    "dagshub": DagshubMlflow,
    "none": NoMlflow,
}


class Environment(_Table):
    """One `[environments.NAME]`. In one that a `Spec` gives out, `name` and `branch` are never empty."""

    branch: Annotated[_Branch, _about("its git branch; main for prod, else the environment's name", "stag")] = ""
    expires: Annotated[
        dt.date | None,
        BeforeValidator(_day),
        _about("the last day on which it should exist", dt.date(2026, 12, 31)),
    ] = None
    budget_usd: Annotated[
        Annotated[float, AfterValidator(_positive)] | None, _about("monthly budget, in US dollars", 20)
    ] = None
    protected: Annotated[bool, _about("whether `down` refuses to take it away", True)] = False
    dvc_gc: Annotated[bool, _about("whether students may delete in their team's DVC remote", True)] = False
    reviewers: _Reviewers = ()
    account: Annotated[
        Annotated[str, _matching(_ACCOUNT, "is not the id of an AWS account, which has twelve digits")] | None,
        _about("the AWS account it is in; no other is touched", "123456789012"),
    ] = None
    mlflow: Annotated[Mlflow, Field(discriminator="kind")] | None = None

    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The environment's name, as in `--env NAME`."""
        return self._name

    def named(self, name: str) -> Environment:
        """Return a copy that knows its name and the branch that follows from it."""
        copy = self.model_copy(update={"branch": self.branch or default_branch(name)})
        copy._name = name
        return copy


class GitHub(_Table):
    """The `[github]` table. `repository` is None when nothing was asked of GitHub."""

    repository: Annotated[_Repository | None, _about("owner/name", "ana/my-course")] = None
    auth: Annotated[
        Literal["oidc", "keys"], _about("how workflows reach AWS: without a stored key, or with one", "oidc")
    ] = "oidc"
    api_url: Annotated[str, AfterValidator(_api_url), _about("GitHub's API", GITHUB_API)] = GITHUB_API
    environments: Annotated[
        bool | None, _about("whether GitHub has environments for this repository; found out if left away", False)
    ] = None


class Spec(_Table):
    """All of `bootstrap.toml`, or the defaults in its place. Made by `parse_spec` or `Spec.default`."""

    project: Annotated[str, AfterValidator(_project), _about("name of the course", "my-course")]
    region: Annotated[str, _checked(region_problem), _about("AWS region", DEFAULT_REGION)] = DEFAULT_REGION
    owner: Annotated[
        Annotated[str, _checked(owner_problem)] | None, _about("who answers for it", "ana@example.org")
    ] = None
    roster: Annotated[_FilePath, _about("the list of members, a CSV file", DEFAULT_ROSTER)] = DEFAULT_ROSTER
    environments: Mapping[Annotated[str, AfterValidator(_environment_name)], Environment] = {}
    github: GitHub = GitHub()

    _source: str | None = PrivateAttr(default=None)
    _lines: Mapping[KeyPath, int] = PrivateAttr(default_factory=dict)

    @field_validator("environments")
    @classmethod
    def _named(cls, environments: Mapping[str, Environment]) -> Mapping[str, Environment]:
        return {name: table.named(name) for name, table in environments.items()}

    @classmethod
    def default(cls, project: str) -> Spec:
        """Return what holds for `project` without a file; raise `UsageError` if that is no legal name."""
        if problem := names.project_problem(project):
            raise UsageError(
                f"{project!r} cannot be the project's name: it {problem}",
                hint=f"A legal name close to it: {names.slugify(project, fallback='course')}",
            )
        return cls(project=project)

    @property
    def source(self) -> str | None:
        """The file this was read from, or None if these are the defaults."""
        return self._source

    @property
    def environment_names(self) -> tuple[str, ...]:
        """The environments of the file in its order; when it has none, the usual three."""
        return tuple(self.environments) or WELL_KNOWN_ENVIRONMENTS

    def where(self, *path: str) -> str:
        """Return the place of a key, as `bootstrap.toml:12`; of a key not written, its table's place."""
        if self._source is None:
            return "the defaults"
        return f"{self._source}:{nearest_line(self._lines, path)}"

    def environment(self, name: str) -> Environment:
        """Return the environment `name`.

        Where the file names environments, `name` has to be one of them, or `ConfigError` is raised. Where it
        names none, or there is no file, any legal name is an environment with nothing set; an illegal one
        raises `UsageError`.
        """
        if name in self.environments:
            return self.environments[name]
        problem = names.environment_problem(name)
        if not self.environments:
            if problem:
                raise UsageError(
                    f"{name!r} cannot be an environment's name: it {problem}",
                    hint=f"The usual names are {', '.join(WELL_KNOWN_ENVIRONMENTS)}.",
                )
            return Environment().named(name)
        file = self._source or FILE_NAME
        hints = [f"Did you mean {close}?" for close in _close(name, self.environments)]
        if problem is None:
            hints.append(f"To have it, add to {file}:\n\n[environments.{name}]\nbranch = {_toml(default_branch(name))}")
        raise ConfigError(
            f"There is no environment {name!r} in {file}; there are: {', '.join(self.environments)}",
            hint=" ".join(hints),
        )


def parse_spec(text: str, source: str) -> Spec:
    """Read the text of a `bootstrap.toml`; `source` is what messages call the file.

    Raise `ConfigError` if it is not TOML, with line and column, or if it says something it may not: then the
    message has one line for each thing that is wrong, in the order of the file.
    """
    # Some Windows editors begin a file with this mark, and TOML knows no such thing.
    text = text.removeprefix("\ufeff")
    try:
        document = parse(text)
    except TomlSyntaxError as error:
        raise ConfigError(f"{source}:{error.line}:{error.column}: {_syntax_in_plain_words(error)}") from None
    lines = key_lines(text)
    try:
        spec = Spec.model_validate(document)
    except ValidationError as error:
        found = sorted(_problem(each, lines) for each in error.errors(include_url=False))
        raise ConfigError("\n".join(f"{source}:{line}: {message}" for line, message in found)) from None
    spec._source = source
    spec._lines = lines
    if spec.owner is None and (silent := [name for name, table in spec.environments.items() if table.budget_usd]):
        raise ConfigError("\n".join(_nobody_to_write_to(spec, name) for name in silent))
    return spec


def _nobody_to_write_to(spec: Spec, env: str) -> str:
    """Say what is wrong with a budget in a file that names no owner: its mails are all that it does."""
    [example] = Spec.model_fields["owner"].examples or [""]
    where = spec.where("environments", env, "budget_usd")
    what = "has nobody whom AWS could write to when it comes near"
    place = "at the top of the file, above the first [table]"
    return f"{where}: environments.{_key(env)}.budget_usd: {what}; write owner = {_toml(example)} {place}"


_SYNTAX = {
    "Invalid value": (
        'no value can be read here; write text in straight quotes "like this", a date as 2026-12-31, '
        "and close what you open"
    ),
    "Illegal character": "there is a character that may not be here, or a quote is not closed",
    "Unterminated string": "this text has no closing quote",
    "Unescaped '\\'": "a backslash between double quotes; write single quotes: 'C:\\data'",
    "Expected '='": 'a key needs = and a value after it; write key = "value"',
    "Cannot overwrite": "this key is written a second time; keep one",
    "Cannot declare": "this [table] is written a second time; keep one, with all its keys",
    "Expected newline": "there is something left over after the value; write text in quotes, one key a line",
    "Expected ']'": "this [table] has no closing bracket",
    "Unclosed array": "this list has no closing bracket",
    "Unclosed inline table": "this { table } has no closing brace on its line",
    "Invalid date": "there is no such date or time",
    "Invalid statement": "a line begins with a key or with a [table]",
}


def _syntax_in_plain_words(error: TomlSyntaxError) -> str:
    plain = next((said for words, said in _SYNTAX.items() if error.words.startswith(words)), error.words)
    return f"this is not TOML: {plain}"


_TAKES = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "mapping_type": "a table",
    "dict_type": "a table",
}


def _problem(error: ErrorDetails, lines: Mapping[KeyPath, int]) -> tuple[int, str]:
    """Return the line of one of pydantic's errors and what to tell the user about it."""
    path, table = _place(error)
    what, advice = _what_and_advice(error, path, table)
    if advice is None and table is not None:
        [example] = table.model_fields[path[-1]].examples or [""]
        advice = f"write {path[-1]} = {_toml(example)}"
    shown = ".".join(_key(key) for key in path) or "this file"
    return nearest_line(lines, path), f"{shown}: {what}" + (f"; {advice}" if advice else "")


def _place(error: ErrorDetails) -> tuple[KeyPath, type[_Table] | None]:
    """Return the key that an error is about, and the model of the table the key is in, where there is one."""
    keys = list(error["loc"])
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return (*map(str, keys), "kind"), None
    if error["type"] == "refused" and keys[2:] == ["[key]"]:
        return tuple(map(str, keys[:2])), None
    table: type[_Table] | None = None
    match keys:
        case ["environments", _, "mlflow", tag, _, *_]:
            table = _MLFLOW[str(tag)]
            del keys[3]  # pydantic names the kind there; the file does not
        case ["environments", _, _]:
            table = Environment
        case ["github", _]:
            table = GitHub
        case [_]:
            table = Spec
    return tuple(key for key in keys if isinstance(key, str)), table


def _what_and_advice(error: ErrorDetails, path: KeyPath, table: type[_Table] | None) -> tuple[str, str | None]:
    """Return what is wrong and what to write; None for the latter where the field's example says it."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "refused":
        return context["problem"], context["advice"]
    if kind == "extra_forbidden" and table is not None:
        return "there is no such setting", _about_unknown(path, value, table)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        written = value.get("kind")
        what = "is missing" if written is None else f"cannot be {_described(written)}"
        return what, f"write {_any_of(_MLFLOW)}"
    if kind == "missing":
        return "is missing", None
    if kind == "literal_error" and table is not None:
        allowed = get_args(table.model_fields[path[-1]].annotation)
        return f"cannot be {_described(value)}", f"write {_any_of(allowed)}"
    if _TAKES.get(kind) == "a table":
        return f"takes a table, not {_described(value)}", _about_table(path, value)
    if kind in _TAKES and isinstance(error["loc"][-1], int):
        return f"has {_described(value)} in it, where {_TAKES[kind]} goes", None
    if kind in _TAKES:
        return f"takes {_TAKES[kind]}, not {_described(value)}", None
    return "has a character in it that is not text", None


def _about_table(path: KeyPath, value: object) -> str:
    """Say how to write a table where the file has something else."""
    header = ".".join(_key(key) for key in path)
    if path == ("environments",):
        return "write [environments.stag] and its settings below"
    if path[-1] == "mlflow":
        kind = value if isinstance(value, str) and value in _MLFLOW else "ec2"
        return f"write [{header}] and below it kind = {_toml(kind)}"
    return f"write [{header}] and its settings below"


def _about_unknown(path: KeyPath, value: object, table: type[_Table]) -> str:
    """Say what may have been meant by a key that no table of this kind has."""
    key = path[-1]
    if table is not Spec and key in Spec.model_fields and not isinstance(value, dict):
        return "it belongs at the top of the file, above the first [table]"
    for close in _close(key, table.model_fields):
        return f"did you mean {close}?"
    if table is Spec and isinstance(value, dict) and names.environment_problem(key) is None:
        return f"an environment is written [environments.{key}]"
    return f"the settings here are: {', '.join(table.model_fields)}"


def _close(word: str, known: Iterable[str]) -> list[str]:
    """Return the one of `known` that `word` may be a slip of, if any."""
    return difflib.get_close_matches(word.lower(), list(known), n=1)


def _any_of(values: Iterable[object]) -> str:
    *most, last = [_toml(value) for value in values]
    return f"{', '.join(most)} or {last}" if most else last


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _described(value: object) -> str:
    """Name a value of the file in plain words."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return _toml(value)
    if isinstance(value, str):
        return f"the text {_toml(value if len(value) <= 40 else value[:39] + '…')}"
    if isinstance(value, (int, float)):
        return f"the number {_toml(value)}"
    return f"the date {value}" if type(value) is dt.date else f"the time {value}"


def _toml(value: object) -> str:
    """Write a value as TOML; what cannot be printed, escaped."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=not value.isprintable())
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return str(value)
