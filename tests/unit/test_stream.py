"""What Terraform 1.11 says on `-json`, line by line, and what is understood of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bootstrap.core.stream import Change, Diagnostic, LockHolder, Stream, parse_lock_info

USER = 'module.member["ci"].aws_iam_user.this'
BUCKET = "module.storage.aws_s3_bucket.this"
LOCKED = """\
Error message: operation error S3: PutObject, https response error StatusCode: 412, PreconditionFailed
Lock Info:
  ID:        6d495122-cb0c-d0e7-6b96-0edee28381df
  Path:      demo--tfstate--123456789012/stag/environment.tfstate
  Operation: OperationTypeApply
  Who:       ana@lab-7
  Version:   1.11.4
  Created:   2026-11-21 08:12:32.011760835 +0000 UTC
  Info:      


Terraform acquires a state lock to protect the state from being written
by multiple users at the same time."""  # noqa: W291 - as Terraform writes it
HOLDER = LockHolder(
    "6d495122-cb0c-d0e7-6b96-0edee28381df", "ana@lab-7", "2026-11-21 08:12:32.011760835 +0000 UTC", "OperationTypeApply"
)


def line(kind: str, **content: Any) -> str:
    """Return an event as Terraform writes it."""
    head = {"@level": "info", "@message": kind, "@module": "terraform.ui", "@timestamp": "2026-11-21T08:12:32.5Z"}
    return json.dumps(head | content | {"type": kind})


def resource(address: str) -> dict[str, Any]:
    *path, kind, name = address.split(".")
    return {
        "addr": address,
        "module": ".".join(path),
        "resource": f"{kind}.{name}",
        "implied_provider": kind.partition("_")[0],
        "resource_type": kind,
        "resource_name": name,
        "resource_key": None,
    }


def planned(action: str, address: str = BUCKET, **more: Any) -> str:
    return line("planned_change", change={"resource": resource(address), "action": action} | more)


def diagnostic(**content: str) -> str:
    return line("diagnostic", diagnostic=content)


def fed(*lines: str) -> Stream:
    stream = Stream()
    for each in lines:
        stream.feed(each)
    return stream


def test_a_whole_apply() -> None:
    user, bucket = ({"hook": {"resource": resource(address), "action": "create"}} for address in (USER, BUCKET))
    stream = Stream()
    said = [
        stream.feed(each)
        for each in (
            line("version", terraform="1.11.4", ui="1.2"),
            planned("create"),
            planned("create", USER),
            line("change_summary", changes={"add": 2, "change": 0, "remove": 0, "operation": "plan"}),
            line("apply_start", **bucket),
            line("apply_start", **user),
            line("apply_progress", hook={"resource": resource(BUCKET), "elapsed_seconds": 10}),
            line("apply_complete", **user),
            line("apply_complete", **bucket),
            line("outputs", outputs={"name": {"sensitive": False, "type": "string", "value": "demo"}}),
        )
    ]
    assert [address for address in said if address] == [USER, BUCKET]
    assert stream.changes == [Change(BUCKET, "aws_s3_bucket", "create"), Change(USER, "aws_iam_user", "create")]
    assert (stream.started, stream.finished) == ([BUCKET, USER], [USER, BUCKET])
    assert stream.outputs == {"name": "demo"}
    assert (stream.errors, stream.lock_holder) == ([], None)


def test_when_a_plan_is_complete() -> None:
    stream = Stream()
    seen = []
    for each in (
        planned("create"),
        planned("create", USER),
        line("change_summary", changes={"add": 2, "change": 0, "remove": 0, "operation": "plan"}),
        line("apply_start", hook={"resource": resource(BUCKET), "action": "create"}),
        line("change_summary", changes={"add": 2, "change": 0, "remove": 0, "operation": "apply"}),
    ):
        stream.feed(each)
        seen.append(stream.planned)
    assert seen == [False, False, True, True, True]


ACTIONS = {
    "create": "create",
    "update": "update",
    "replace": "replace",
    "delete": "delete",
    "import": "import",
    "remove": "forget",  # a `removed` block: Terraform forgets it, AWS keeps it
}


@pytest.mark.parametrize(("said", "action"), ACTIONS.items())
def test_what_a_plan_changes(said: str, action: str) -> None:
    assert [change.action for change in fed(planned(said)).changes] == [action]


@pytest.mark.parametrize("said", ["noop", "read", "move", "something-of-2030"])
def test_what_changes_nothing_is_no_change(said: str) -> None:
    assert fed(planned(said)).changes == []


@pytest.mark.parametrize(("said", "action"), [("noop", "import"), ("update", "update")])
def test_an_import_is_told_by_its_own_mark(said: str, action: str) -> None:
    [change] = fed(planned(said, importing={"id": "demo--stag"})).changes
    assert change.action == action


def test_a_reason_does_not_hide_a_change() -> None:
    [change] = fed(planned("delete", USER, reason="delete_because_each_key")).changes
    assert change == Change(USER, "aws_iam_user", "delete")


def test_drift_is_kept_apart_from_the_plan() -> None:
    stream = fed(line("resource_drift", change={"resource": resource(BUCKET), "action": "delete"}), planned("create"))
    assert [change.action for change in stream.drift] == ["delete"]
    assert [change.action for change in stream.changes] == ["create"]


PASSED_OVER = {
    "a type of a later Terraform": line("ephemeral_op_start", hook={"resource": resource(BUCKET)}),
    "a type nobody knows": line("from_2030", change={"resource": resource(BUCKET), "action": "create"}),
    "no type": json.dumps({"@message": "x"}),
    "plain text": "There are some problems with the CLI configuration:",
    "half a line": planned("create")[:40],
    "an empty line": "",
    "a number": "42",
    "a list": "[1, 2]",
    "a change without content": line("planned_change"),
    "a diagnostic's progress": line("apply_progress", hook={"resource": resource(BUCKET), "elapsed_seconds": 10}),
    "an error of one resource, whose diagnostic follows": line("apply_errored", hook={"resource": resource(BUCKET)}),
    "outputs of a plan, not known yet": line("outputs", outputs={"name": {"sensitive": False, "action": "create"}}),
    "an output that is secret": line("outputs", outputs={"name": {"sensitive": True, "type": "string"}}),
    "no outputs at all": line("outputs", outputs=None),
}


@pytest.mark.parametrize("text", PASSED_OVER.values(), ids=PASSED_OVER.keys())
def test_what_is_passed_over(text: str) -> None:
    stream = Stream()
    assert stream.feed(text) is None
    assert stream == Stream()


DIAGNOSTICS = {
    "summary alone": ({"severity": "error", "summary": "No bucket"}, "No bucket"),
    "with detail": ({"severity": "error", "summary": "No bucket", "detail": "\nAsk.\n"}, "No bucket: Ask."),
    "with address": (
        {"severity": "error", "summary": "No user", "detail": "Gone.", "address": USER},
        f"No user ({USER}): Gone.",
    ),
    "detail of white space": ({"severity": "error", "summary": "No bucket", "detail": " \n"}, "No bucket"),
}


@pytest.mark.parametrize(("content", "text"), DIAGNOSTICS.values(), ids=DIAGNOSTICS.keys())
def test_a_diagnostic_reads_as_a_paragraph(content: dict[str, str], text: str) -> None:
    assert [d.text() for d in fed(diagnostic(**content)).errors] == [text]


def test_a_warning_is_no_error() -> None:
    stream = fed(diagnostic(severity="warning", summary="Deprecated"), diagnostic(severity="error", summary="Broken"))
    assert [d.summary for d in stream.errors] == ["Broken"]
    assert stream.diagnostics[0] == Diagnostic("warning", "Deprecated")


def test_a_diagnostic_of_no_severity_is_an_error() -> None:
    assert [d.summary for d in fed(diagnostic(summary="It said only this")).errors] == ["It said only this"]


@pytest.mark.parametrize(
    ("summary", "detail"),
    [
        ("Error releasing the state lock", LOCKED),
        ("Error acquiring the state lock", "Error message: operation error S3: PutObject, AccessDenied"),
    ],
)
def test_a_lock_that_could_not_be_made_or_released_is_nobody_elses(summary: str, detail: str) -> None:
    assert fed(diagnostic(severity="error", summary=summary, detail=detail)).lock_holder is None


def test_who_holds_the_lock() -> None:
    stream = fed(diagnostic(severity="error", summary="Error acquiring the state lock", detail=LOCKED))
    assert stream.lock_holder == HOLDER


@pytest.mark.parametrize("severity", ["warning", "error"])
def test_only_a_lock_has_a_holder(severity: str) -> None:
    assert fed(diagnostic(severity=severity, summary="No bucket", detail=LOCKED)).lock_holder is None


LOCK_TEXTS = {
    "as Terraform writes it": (LOCKED, HOLDER),
    "with Windows line endings": (LOCKED.replace("\n", "\r\n"), HOLDER),
    "without any info": ("Error message: 403 Forbidden", LockHolder("", "", "", "")),
    "with an empty field, which must not take the next line": (
        "Lock Info:\n  ID:        \n  Operation: \n  Who:       ana@lab-7\n  Created:\n",
        LockHolder("", "ana@lab-7", "", ""),
    ),
}


@pytest.mark.parametrize(("text", "holder"), LOCK_TEXTS.values(), ids=LOCK_TEXTS.keys())
def test_the_lines_of_a_lock(text: str, holder: LockHolder) -> None:
    assert parse_lock_info(text) == holder
