"""What the user sees: the story on standard error, with colour and movement only on a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bootstrap.core.plan import Plan
from bootstrap.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SIGNS = {
    "create": ("+", "green"),
    "import": ("+", "green"),
    "update": ("~", "yellow"),
    "replace": ("±", "yellow"),
    "delete": ("-", "red"),
    "forget": ("-", "red"),
}
_PLACES = {"aws": "In AWS", "mlflow": "MLflow", "github": "On GitHub", "laptop": "On this machine"}


# In a log, a sign of life this often is enough.
_LINE_EVERY_SECONDS = 10.0


class _Plain:
    def __init__(self, say: Callable[[str], None], text: str) -> None:
        self._say = say
        self._text = text
        self._said = time.monotonic()

    def detail(self, text: str) -> None:
        """Say it in a line of its own, if none was for a while: there is no terminal to move on."""
        if time.monotonic() - self._said >= _LINE_EVERY_SECONDS:
            self._said = time.monotonic()
            self._say(f"... {self._text} · {text}")


class _Moving:
    def __init__(self, progress: Progress, task: TaskID, text: str) -> None:
        self._progress = progress
        self._task = task
        self._text = text

    def detail(self, text: str) -> None:
        """Show it behind the step's own text."""
        self._progress.update(self._task, description=f"{self._text} [dim]· {text}[/dim]")


class TerminalStory:
    """Tells a workflow's story to a person, or plainly into a log."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._open = 0
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Tell one thing that happened."""
        self._console.print(text, markup=False)

    def note(self, text: str) -> None:
        """Tell something the user should know."""
        self._console.print(f"Note: {text}", style="yellow", markup=False)

    @contextmanager
    def step(self, text: str) -> Iterator[_Plain | _Moving]:
        """Show that something is going on, and say how long it took."""
        began = time.monotonic()
        if not self._console.is_terminal:
            self.say(f"... {text}")
            yield _Plain(self.say, text)
            self.say(f"ok  {text} ({time.monotonic() - began:.1f} s)")
            return
        progress = self._begin()
        task = progress.add_task(text)
        try:
            yield _Moving(progress, task, text)
            self._console.print(f"[green]✓[/green] {text} [dim]({time.monotonic() - began:.1f} s)[/dim]")
        finally:
            progress.remove_task(task)
            self._end()

    def _begin(self) -> Progress:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with self._lock:
            self._open += 1
            if self._progress is None:
                columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
                # Our result goes to standard output, even if that is a file and the story a terminal.
                here = sys.stdout.isatty()
                self._progress = Progress(*columns, console=self._console, transient=True, redirect_stdout=here)
                self._progress.start()
            return self._progress

    def _end(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0 and self._progress is not None:
                self._progress.stop()
                self._progress = None


def plan_text(plan: Plan) -> str:
    """Return a plan as text, grouped by where things change."""
    lines: list[str] = []
    for place, title in _PLACES.items():
        steps = [step for step in plan.steps if step.place == place]
        if steps:
            lines += ["", click.style(title, bold=True)]
        for step in steps:
            sign, colour = _SIGNS[step.action]
            lines.append(f"  {click.style(sign, fg=colour)} {step.what}")
    lines += ["", f"{plan.summary()}."]
    if plan.cost is not None:
        lines.append(f"It costs {plan.cost.says}.")
    return "\n".join(lines)


def show_plan(plan: Plan) -> None:
    """Print a plan to standard error."""
    click.echo(plan_text(plan), err=True)


def require_an_answer(*, yes: bool) -> None:
    """Find out before any work whether somebody is there to answer a question; UsageError if not."""
    if not yes and not sys.stdin.isatty():
        raise UsageError("Nobody is there to answer: standard input is no terminal.", hint="Add --yes.")


def confirm(question: str, *, yes: bool) -> bool:
    """Ask a yes-or-no question; `yes` is the answer given on the command line. Raises UsageError as above."""
    require_an_answer(yes=yes)
    if yes:
        return True
    _forget_what_was_typed()
    with _no_answer():
        return click.confirm(question, default=False, err=True)


def confirm_by_name(question: str, name: str, *, yes: bool) -> bool:
    """Ask for a name to be typed, for what cannot be undone; `yes` is the answer given on the command line.

    An empty answer is a no, and so is any other name. Raises UsageError as above.
    """
    require_an_answer(yes=yes)
    if yes:
        return True
    _forget_what_was_typed()
    with _no_answer():
        typed = click.prompt(f"{question} Type {name} to go on", default="", show_default=False, err=True)
    return str(typed).strip() == name


class Unanswered(click.Abort):
    """A question was interrupted before it had an answer: nothing of what it was about has begun."""


@contextmanager
def _no_answer() -> Iterator[None]:
    try:
        yield
    except click.Abort as error:
        raise Unanswered from error


def _forget_what_was_typed() -> None:
    """Let nobody agree to a question before it was asked, by keys pressed while something else went on."""
    if sys.platform != "win32":
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...]) -> str:
    """Return rows as aligned columns of plain text."""
    # A colour takes no room.
    widths = [max(len(click.unstyle(row[i])) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True))
        for row in [header, *rows]
    ]
    return "\n".join(line.rstrip() for line in lines)
