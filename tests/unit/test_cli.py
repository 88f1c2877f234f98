"""The command line itself: help, wrong words, exit codes, completion. No command does its work here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest

from bootstrap import cli, ui
from bootstrap.errors import BootstrapError, ConfigError, Declined, UsageError


def run(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bootstrap", *words], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_explains_itself_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"bootstrap {name}" in shown
    assert "Examples:" in shown or "To switch it on:" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["upp"], "Did you mean 'up'?"),
        (["statsu"], "Did you mean 'status'?"),
        (["up"], "Missing option '--env'"),
        (["up", "--evn", "stag"], "--env"),
        (["completion", "tcsh"], "powershell"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ConfigError("bootstrap.toml:3: wrong"), 1, "Error: bootstrap.toml:3: wrong\n"),
        (BootstrapError("it broke", hint="mend it"), 1, "Error: it broke\n  → mend it\n"),
        (UsageError("not like this"), 2, "Error: not like this\n"),
        (Declined("Nothing was changed."), 1, "Nothing was changed.\n"),
        (
            OSError(28, "No space left on device"),
            1,
            "Error: The system would not let this go on: [Errno 28] No space left on device.\n"
            "  → Mend that, then run the same command again.\n",
        ),
        (KeyboardInterrupt(), 130, "\nInterrupted. Run the same command again to go on from here.\n"),
        (click.Abort(), 130, "\nInterrupted. Run the same command again to go on from here.\n"),
        (
            ui.Unanswered(),
            130,
            "\nInterrupted. That was before the answer: nothing of what was asked about was changed.\n",
        ),
    ],
)
def test_an_error_becomes_a_message_and_an_exit_code(
    error: BaseException,
    code: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli.cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert (ended.value.code, capsys.readouterr().err) == (code, told)


@pytest.mark.parametrize(
    "ask", [lambda: ui.confirm("Do this?", yes=False), lambda: ui.confirm_by_name("Remove it?", "stag", yes=False)]
)
def test_ctrl_c_at_a_question_is_told_from_one_in_the_middle_of_work(
    ask: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(ui, "_forget_what_was_typed", lambda: None)
    monkeypatch.setattr("click.termui.visible_prompt_func", press)
    with pytest.raises(ui.Unanswered):
        ask()


def test_down_of_an_unknown_name_says_so_before_it_needs_an_answer(tmp_path: Path) -> None:
    (tmp_path / "bootstrap.toml").write_text('project = "course"\n[environments.stag]\n', encoding="utf-8")
    done = run("down", "--env", "nope", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: There is no environment 'nope' in bootstrap.toml; there are: stag\n")


def test_plan_hands_its_exit_code_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.cli, "main", lambda *_, **__: 3)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 3


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_completion_script_for_every_shell(shell: str, tmp_path: Path) -> None:
    done = run("completion", shell, cwd=tmp_path)
    assert done.returncode == 0
    assert "_BOOTSTRAP_COMPLETE" in done.stdout


def test_completion_offers_commands(tmp_path: Path) -> None:
    env = {"_BOOTSTRAP_COMPLETE": "bash_complete", "COMP_WORDS": "bootstrap st", "COMP_CWORD": "1", "PATH": ""}
    done = run(cwd=tmp_path, env=env)
    assert "plain,status" in done.stdout


def test_output_without_a_terminal_has_no_colour(tmp_path: Path) -> None:
    done = run("output", "--env", "stag", cwd=tmp_path)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr.startswith("Error: The environment 'stag' is not up")


def test_status_where_nothing_is_up_says_how_to_begin(tmp_path: Path) -> None:
    done = run("status", cwd=tmp_path)
    assert done.returncode == 0
    assert "bootstrap up --env stag --local" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_down_needs_no_local_and_does_not_propose_all(tmp_path: Path) -> None:
    done = run("down", "--env", "stag", "--local", cwd=tmp_path)
    assert done.returncode == 2
    assert "`down` has no --local" in done.stderr
    assert "--all" not in done.stderr
    assert "--local" not in run("down", "--help", cwd=tmp_path).stdout


class TestToldToEnd:
    """The end-to-end tests send signals to the command; here is what only chance would hit there."""

    @pytest.fixture(autouse=True)
    def _as_a_shell_starts_it(self) -> Iterator[None]:
        before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    @staticmethod
    def _told() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    def test_a_second_time_does_not_break_off_the_tidying_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tidied = []

        def work(*_: object, **__: object) -> None:
            try:
                self._told()
            finally:
                self._told()
                tidied.append("all")

        monkeypatch.setattr(cli.cli, "main", work)
        with pytest.raises(SystemExit) as ended:
            cli.main([])
        assert ended.value.code == 143
        assert tidied == ["all"]

    def test_what_comes_while_python_ends_is_passed_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cli.cli, "main", lambda *_, **__: self._told())
        with pytest.raises(SystemExit):
            cli.main([])
        self._told()  # raised in a callback of atexit, it would be a traceback

    @pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals as POSIX has them")
    def test_what_comes_after_python_gave_the_handlers_back_is_passed_over(self) -> None:
        script = textwrap.dedent("""
            import os, signal
            from bootstrap import cli

            signal.signal(signal.SIGHUP, signal.SIG_DFL)

            class Last:
                def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGHUP):
                    kill(pid, number)

            def work(*_, **__):
                kept.append(kept)  # a ring, which Python takes apart as the last of all
                os.kill(os.getpid(), signal.SIGHUP)

            kept = [Last()]
            cli.cli.main = work
            cli.main([])
        """)
        ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
        assert (ended.returncode, ended.stderr) == (129, b"")

    def test_a_second_time_counts_if_the_first_was_swallowed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def work(*_: object, **__: object) -> None:
            with suppress(KeyboardInterrupt):  # as `input` does while it writes its question
                self._told()
            self._told()

        monkeypatch.setattr(cli.cli, "main", work)
        with pytest.raises(SystemExit) as ended:
            cli.main([])
        assert ended.value.code == 143
