"""What a project of `bootstrap new` is called and filled in with, and how its history remembers the template."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from bootstrap.core.counts import counted
from bootstrap.core.names import CI_MEMBER, SLUG, environment_problem, slugify
from bootstrap.core.names import profile as profile_of
from bootstrap.core.record import Record
from bootstrap.core.slip import did_you_mean
from bootstrap.errors import ConfigError, UsageError

TEMPLATES = ("ml-project",)
LANGUAGES = ("en", "pt-BR")
MODELS = ("regression",)
DEFAULT_ENV = "stag"
# The branches that are environments; work begins on the first.
BRANCHES = ("main", "stag", "devl")

NAME_LENGTH = (2, 50)
_EXAMPLE = "laptop-pricing"
ANSWERS_FILE = ".copier-answers.yml"
_TEMPLATE = "template"
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)+")

# Packages beside which the project's own is installed or stands: Python would find the wrong one of two.
_TAKEN = frozenset(
    {
        *("data", "deploy", "docs", "models", "notebooks", "references", "reports", "tests"),
        *("bootstrap", "dvc", "fastapi", "matplotlib", "mlflow", "numpy", "optuna", "pandas", "pandera", "pip"),
        *("pydantic", "pytest", "scipy", "setuptools", "sklearn", "streamlit", "test", "uvicorn", "yaml"),
    }
)


@dataclass(frozen=True)
class Answers:
    """What the template is filled in with: one field for each question of its copier.yml, no secret among them.

    `bucket`, `profile` (the same for everybody) and `mlflow_uri` are empty without an environment. `team` is a slug,
    `repository` is OWNER/REPO or empty.
    """

    name: str
    package: str
    lang: str
    model: str
    author: str
    team: str
    env: str
    bucket: str = ""
    profile: str = ""
    mlflow_uri: str = ""
    gitlab: bool = False
    repository: str = ""

    def as_data(self) -> dict[str, str | bool]:
        """Return question → answer."""
        return asdict(self)

    def connected(self, record: Record) -> Answers:
        """Return them with what is known of an environment."""
        return replace(
            self,
            team=record.team or CI_MEMBER,
            env=record.env,
            bucket=record.bucket,
            profile=profile_of(record.project, record.env),
            mlflow_uri=record.mlflow_tracking_uri or "",
        )


def check_name(name: str) -> None:
    """Raise UsageError, with a name that would do, if a project cannot be called so.

    The name is that of the folder, of the experiment and of the model; with underscores, of the Python package.
    """
    problem = _name_problem(name)
    if problem is None:
        return
    better = slugify(name, "")
    if not better or _name_problem(better) is not None:
        better = _EXAMPLE
    raise UsageError(
        f"The name {name!r} will not do: it {problem}.",
        hint="Take lower-case letters, digits and single hyphens between them, for instance: bootstrap new " + better,
    )


def _name_problem(name: str) -> str | None:
    least, most = NAME_LENGTH
    package = package_of(name)
    if "/" in name or "\\" in name:
        return "is a path; a project is made in the folder you are in"
    if not least <= len(name) <= most:
        return f"has {counted(len(name), 'character')}; it takes {least} to {most}"
    if not SLUG.fullmatch(name):
        return "has something else in it than lower-case letters, digits and single hyphens between them"
    if not name[0].isalpha():
        return "begins with a digit, which no Python package may"
    if keyword.iskeyword(package) or package in _TAKEN or package in sys.stdlib_module_names:
        return f"would make a Python package '{package}', and that name is taken"
    return None


def package_of(name: str) -> str:
    """Return the name of a project's Python package."""
    return name.replace("-", "_")


def check_repository(repository: str) -> None:
    """Raise UsageError for what is no OWNER/REPO; on GitLab there may be groups between the two."""
    if repository and not _REPOSITORY.fullmatch(repository):
        raise UsageError(
            f"{repository!r} is no repository.", hint="Write it as OWNER/REPO, for instance ana/laptop-pricing."
        )


def check_environment(env: str | None) -> None:
    """Raise UsageError for what cannot be the name of an environment."""
    if env is not None and (problem := environment_problem(env)):
        raise UsageError(f"The environment {env!r} will not do: it {problem}.", hint="For instance: --env stag")


def language_of(environ: Mapping[str, str]) -> str:
    """Return the language that the user's system speaks, if it is one of ours, else English.

    https://pubs.opengroup.org/onlinepubs/9699919799/basedefs/V1_chap08.html#tag_08_02 says which variable wins.
    """
    spoken = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return "pt-BR" if spoken.lower().startswith("pt") else "en"


def author_of(said_by_git: str, record: Record | None, environ: Mapping[str, str]) -> str:
    """Return whose work it is: as git knows them, else as a member, else as the system does."""
    member = record.member if record is not None else None
    return said_by_git or member or environ.get("USER") or environ.get("USERNAME") or "author"


def team_without_environment(author: str) -> str:
    """Return the team of somebody who is in none: their own name, as a slug."""
    return slugify(author, "team")


def choose(records: Sequence[Record], env: str | None, *, local: bool) -> Record | None:
    """Return the environment to connect to: the one named, or the only one; None if there is none.

    `local`: only one on this laptop will do. Raises UsageError if several would do.
    """
    found = [record for record in records if env in (None, record.env)]
    if local and found and all(record.target != "local" for record in found):
        raise UsageError(
            f"'{found[0].env}' is on AWS, not on this laptop.",
            hint="Leave --local away to use it, or name another with --env.",
        )
    fit = [record for record in found if not local or record.target == "local"]
    if len(fit) > 1:
        names = ", ".join(sorted({record.env if env is None else record.owner for record in fit}))
        raise UsageError(f"There are several environments to connect to: {names}.", hint=_WHICH[env is None])
    return fit[0] if fit else None


def refuse_unknown(env: str, known: Collection[str]) -> None:
    """Raise UsageError if environments are `known` and none is called `env`: that is a slip, or a missing invite.

    Where none is known at all, the name is only written down, for a `join` to come.
    """
    if not known or env in known:
        return
    raise UsageError(
        f"No environment '{env}' is known here.{did_you_mean(env, known)}",
        hint=f"There is: {', '.join(sorted(known))}. To use '{env}', open its invite first: bootstrap join INVITE.age",
    )


_WHICH = {
    True: "Say which: --env NAME",
    False: "Run it in the folder in which you opened the invite that you mean.",
}


def answers_of(kept: object, where: str) -> tuple[str, Answers]:
    """Return the template and the answers that a project keeps in its answers file.

    `kept` is what the file holds, `where` its name for messages. A question that is newer than the file gets its
    default. Raises ConfigError if the file does not say what it has to.
    """
    if not isinstance(kept, dict) or kept.get(_TEMPLATE) not in TEMPLATES:
        raise ConfigError(
            f"{where}: the key `{_TEMPLATE}` does not name a template of this tool.",
            hint=f"Write `{_TEMPLATE}: {TEMPLATES[0]}` there, or take the file back from git.",
        )
    values = {}
    for key, known in Answers.__dataclass_fields__.items():
        kind = bool if isinstance(known.default, bool) else str
        if key in kept and not isinstance(kept[key], kind):
            raise ConfigError(f"{where}: the key `{key}` has to be {_KINDS[kind]}.", hint="Write it so, in quotes.")
        if key in kept:
            values[key] = kept[key]
    missing = [key for key in ("name", "package") if key not in values]
    if missing:
        raise ConfigError(f"{where}: the key `{missing[0]}` is missing.", hint="Take the file back from git.")
    return str(kept[_TEMPLATE]), Answers(**{**_defaults(values["name"]), **values})


_KINDS = {bool: "true or false", str: "a text"}


def _defaults(name: str) -> dict[str, str]:
    return {"lang": "en", "model": MODELS[0], "author": "", "team": slugify(name, "team"), "env": DEFAULT_ENV}


# Trailers as git knows them: https://git-scm.com/docs/git-interpret-trailers
TREE_TRAILER = "Bootstrap-Tree"
_TEMPLATE_TRAILER = "Bootstrap-Template"
_VERSION_TRAILER = "Bootstrap-Version"


def render_message(subject: str, template: str, version: str, tree: str) -> str:
    """Return the message of a commit that holds the template's files, untouched by anybody.

    `tree` is git's name for exactly these files. A commit whose own tree is another one was changed since, for
    instance by a rebase, and is no such commit any more.
    """
    trailers = ((_TEMPLATE_TRAILER, template), (_VERSION_TRAILER, version), (TREE_TRAILER, tree))
    return f"{subject}\n\n" + "".join(f"{name}: {value}\n" for name, value in trailers)
