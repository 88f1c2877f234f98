"""How the story reads where there is no terminal, as in a log."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bootstrap import ui


def test_a_log_says_now_and_then_how_far_a_long_step_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(ui, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with ui.TerminalStory().step("Copying") as step:
        for now[0] in (1.0, 9.9, 10.0, 12.0, 19.9, 20.0, 29.0):
            step.detail(f"{now[0]:g} of 30 files")
    assert capsys.readouterr().err.splitlines() == [
        "... Copying",
        "... Copying · 10 of 30 files",
        "... Copying · 20 of 30 files",
        "ok  Copying (29.0 s)",
    ]


def test_a_short_step_is_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with ui.TerminalStory().step("Asking") as step:
        step.detail("nobody answered yet")
    first, second = capsys.readouterr().err.splitlines()
    assert (first, second[:10]) == ("... Asking", "ok  Asking")
