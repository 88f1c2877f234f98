"""Datasets pushed into and pulled out of a real moto server that checks permissions, as operator and as members."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bootstrap.adapters import data_files, servers
from bootstrap.adapters.aws import copying, objects, people, uploading
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import ACCOUNT
from bootstrap.commands.dataset import command
from bootstrap.core.dataset import Card, parse_card
from bootstrap.core.names import Names
from bootstrap.core.plan import Plan
from bootstrap.core.record import Record
from bootstrap.core.spec import Spec
from bootstrap.errors import AwsFailed, BootstrapError, Declined, UsageError
from bootstrap.workflows import copy_out, dataset_pull, dataset_push
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.dataset_desk import Desk, open_desk
from bootstrap.workflows.project import Project
from bootstrap.workflows.target import Place
from tests.adapters.archiving import Story
from tests.standing import enforcing_emulator

ANYBODY = KeyPair("AKIAIOSFODNN7EXAMPLE", "anything")
CSV = 'brand;Price\nAcer;1999.90\n\n"Dell; the big\none";8500\n'
# As infra/modules/access_policy gives it to each role below dataset/.
MAY = {
    "student": ["s3:GetObject"],
    "instructor": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[servers.Server, KeyPair]]:
    """A moto server with permission checks on, and its operator."""
    with enforcing_emulator(tmp_path_factory.mktemp("emulator")) as found:
        yield found


@dataclass
class Ground:
    """An environment with a bucket, the operator's desk, and a folder of files to push. `asked`: every plan shown."""

    folder: Path
    home: Path
    place: Place
    record: Record
    operator: Desk
    story: Story = field(default_factory=Story)
    asked: list[Plan] = field(default_factory=list)

    def file(self, text: str = CSV, name: str = "laptops.csv") -> Path:
        path = self.folder / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    def push(
        self, source: Path, name: str | None = None, desk: Desk | None = None, *, yes: bool = True, anyway: bool = False
    ) -> Any:
        def confirm(plan: Plan) -> bool:
            self.asked.append(plan)
            return yes

        return dataset_push.push(desk or self.operator, source, name, "Synthetic.", self.story, confirm, anyway=anyway)

    def there(self) -> list[str]:
        return [one.key for one in copying.listed(self.place.aws, self.record.bucket, ["dataset/"])]

    def read(self, key: str) -> bytes:
        return bytes(self.place.aws.client("s3").get_object(Bucket=self.record.bucket, Key=key)["Body"].read())

    def put(self, key: str, body: bytes = b"x") -> None:
        self.place.aws.client("s3").put_object(Bucket=self.record.bucket, Key=key, Body=body)

    def join(self, name: str, role: str, folder: Path | None = None) -> Path:
        """Bring somebody in, who joins in a folder of their own; return that."""
        names, iam = self.place.names, self.place.aws.client("iam")
        user, bucket = names.iam_user(name), f"arn:aws:s3:::{names.bucket}"
        iam.create_user(UserName=user, Path=names.iam_path)
        statements = [
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket},
            {"Effect": "Allow", "Action": MAY[role], "Resource": f"{bucket}/dataset/*"},
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=user, PolicyName="bootstrap", PolicyDocument=policy)
        folder = folder or self.folder.parent / name
        folder.mkdir(exist_ok=True)
        project = Project(folder, Spec.default(name), dict(os.environ), self.home)
        joined = replace(
            self.record, member=name, role=role, team="red", complete=True, aws_profile=f"{name}-{names.project}"
        )
        project.save(joined)
        laptops.write_profile(laptops.look_around(project), joined, people.mint_key(self.place.aws, user))
        laptops.note_folder(project)
        return folder

    def desk(self, folder: Path, *, writes: bool = False, env: str | None = "stag") -> Desk:
        return open_desk(folder, None, dict(os.environ), self.home, env, None, self.story, writes=writes)


@pytest.fixture
def ground(
    emulator: tuple[servers.Server, KeyPair], tmp_path: Path, home: Path, request: pytest.FixtureRequest
) -> Ground:
    server, operator = emulator
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]
    names = Names(f"course-{name}", "stag", ACCOUNT)
    aws = Aws("us-east-1", server.url, key=operator)
    s3 = aws.client("s3")
    for bucket in (names.bucket, names.state_bucket):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=names.bucket, Key="dataset/", Body=b"")
    folder = tmp_path / "project"
    folder.mkdir()
    record = Record(
        *(names.project, "stag", "local", "us-east-1", ACCOUNT, server.url, names.bucket, names.state_bucket),
        *(names.profile, names.dvc_url()),
    )
    place = Place("local", names, aws, None, custom_endpoint=True, emulated=True)
    return Ground(folder, home, place, record, Desk(record, aws, folder / ".bootstrap", place))


# --- push ---


def test_a_table_becomes_version_one(ground: Ground) -> None:
    done = ground.push(ground.file())
    assert done.changed
    assert done.where == f"s3://{ground.record.bucket}/dataset/laptops/v1/"
    assert ground.there() == [
        "dataset/",
        "dataset/laptops/v1.json",
        "dataset/laptops/v1.md",
        "dataset/laptops/v1/laptops.csv",
    ]
    assert ground.read("dataset/laptops/v1/laptops.csv") == CSV.encode()
    card = parse_card(ground.read("dataset/laptops/v1.json").decode())
    assert card == done.card
    (one,) = done.card.files
    assert (one.size, one.sha256) == (len(CSV.encode()), hashlib.sha256(CSV.encode()).hexdigest())
    assert (one.rows, one.columns) == (2, ("brand", "Price"))
    assert done.card.by == "user/bootstrap/operator"
    assert "Synthetic." in ground.read("dataset/laptops/v1.md").decode()
    (plan,) = ground.asked
    assert plan.summary() == "1 to create, 0 to change, 0 to delete"


def test_the_same_content_is_nothing_to_do(ground: Ground) -> None:
    first = ground.push(ground.file())
    before = ground.there()
    again = ground.push(ground.file())
    assert (again.changed, again.card) == (False, first.card)
    assert (ground.there(), len(ground.asked)) == (before, 1)


def test_other_content_becomes_the_next_version_and_overwrites_nothing(ground: Ground) -> None:
    ground.push(ground.file())
    done = ground.push(ground.file(CSV + "HP;10\n"))
    assert done.card.version == 2
    assert ground.read("dataset/laptops/v1/laptops.csv") == CSV.encode()
    assert "(1 file changed; v1 stays)" in ground.asked[-1].steps[0].what
    # Back to what it was: that is a version of its own, the newest.
    assert ground.push(ground.file()).card.version == 3


def test_a_no_changes_nothing(ground: Ground) -> None:
    before = ground.there()
    with pytest.raises(Declined):
        ground.push(ground.file(), yes=False)
    assert ground.there() == before


def test_a_folder_keeps_its_names(ground: Ground) -> None:
    for name in ("train/a.txt", "test/b ç.txt", ".DS_Store", "train/.ipynb_checkpoints/x", "train/a.txt.dvc"):
        ground.file(name, f"cats/{name}")
    done = ground.push(ground.folder / "mine" / "cats")
    assert [one.path for one in done.card.files] == ["test/b ç.txt", "train/a.txt"]
    assert "dataset/cats/v1/test/b ç.txt" in ground.there()
    assert any("Left out" in text and ".DS_Store" in text for text in ground.story.told)


NO_DATASET: dict[str, tuple[dict[str, str], str]] = {
    "an empty folder": ({}, "no file in"),
    "only hidden files": ({".env": "SECRET"}, "no file in"),
    "an empty file": ({"a.csv": ""}, r"is empty \(0 bytes\)"),
    "only empty files": ({"a.csv": "", "b.csv": ""}, "only empty files"),
    "a name for Windows": ({"a:b.csv": "1"}, "some machine cannot have"),
    "names that meet": ({"a.csv": "1", "A.csv": "2"}, "same name"),
    "a project's folder": ({"a.csv": "1", "bootstrap.toml": ""}, "the folder of a project"),
    "an invite": ({"a.csv": "1", "ana.age": "age-encryption.org/v1\n-> X25519"}, "ana.age has an invite in it"),
    "codes": ({"codes.csv": "name,code\nana,AGE-SECRET-KEY-1QQQ"}, "has the code of an invite"),
    "a key of AWS's page": ({"ana_accessKeys.csv": "Access key ID,Secret access key\nA,b"}, "has an AWS key"),
    "a private key": ({"deploy.pem": "-----BEGIN" + " OPENSSH PRIVATE KEY-----"}, "has a private key"),
}


@pytest.mark.parametrize(("files", "message"), NO_DATASET.values(), ids=NO_DATASET.keys())
def test_what_cannot_be_a_dataset(ground: Ground, files: dict[str, str], message: str) -> None:
    folder = ground.folder / "mine"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    if len(files) > 1 and len(list(folder.iterdir())) == 1:
        pytest.skip("this file system knows no case")
    with pytest.raises(UsageError, match=message):
        ground.push(folder)
    assert ground.there() == ["dataset/"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [(".env", "A=1", "is hidden"), ("login.txt", "MLFLOW_TRACKING_PASSWORD=x", "has a password in it")],
)
def test_a_file_that_is_not_for_everybody(ground: Ground, name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        ground.push(ground.file(text, name))
    assert "Everybody in the environment gets" in refused.value.hint
    assert ground.there() == ["dataset/"]


def test_what_only_looks_like_a_password_is_pushed_if_one_insists(ground: Ground) -> None:
    file = ground.file("text\nset MLFLOW_TRACKING_PASSWORD first\n", "questions.csv")
    with pytest.raises(UsageError, match="has a password in it") as refused:
        ground.push(file)
    assert "--anyway" in refused.value.hint
    assert ground.push(file, anyway=True).changed


def test_links_count_as_what_they_lead_to_if_that_is_in_the_folder(ground: Ground) -> None:
    folder = ground.file(name="set/a.csv").parent
    (folder / "b.csv").symlink_to(folder / "a.csv")
    assert [one.path for one in ground.push(folder).card.files] == ["a.csv", "b.csv"]
    (ground.folder / "private.txt").write_text("not for you")
    (folder / "c.csv").symlink_to(ground.folder / "private.txt")
    with pytest.raises(UsageError, match=r"c\.csv is a link that leads out of the folder, to .*private\.txt"):
        ground.push(folder)


def test_the_plan_names_the_files(ground: Ground) -> None:
    for number in range(10):
        ground.file(name=f"many/{number}.txt")
    ground.push(ground.folder / "mine" / "many")
    (step,) = ground.asked[-1].steps
    assert "(0.txt, 1.txt, 2.txt, 3.txt, 4.txt, 5.txt, 6.txt, 7.txt and 2 more)" in step.what


def test_an_empty_file_among_others_is_told_of(ground: Ground) -> None:
    ground.file(name="labels/none.txt", text="")
    ground.file(name="labels/some.txt")
    assert len(ground.push(ground.folder / "mine" / "labels").card.files) == 2
    assert any("1 file of 0 bytes among them: none.txt" in text for text in ground.story.told)


def interrupted(patch: pytest.MonkeyPatch, after: int) -> None:
    """Press Ctrl-C at the upload behind so many."""
    upload = uploading.upload
    begun: list[str] = []

    def counted(aws: Aws, bucket: str, key: str, *rest: Any) -> None:
        begun.append(key)
        if len(begun) > after:
            raise KeyboardInterrupt
        upload(aws, bucket, key, *rest)

    patch.setattr(copy_out, "_SIDE_BY_SIDE", 1)
    patch.setattr(uploading, "upload", counted)


def some_files(ground: Ground, count: int = 4) -> Path:
    for number in range(count):
        ground.file(f"{number}\n", f"many/{number}.txt")
    return ground.folder / "mine" / "many"


def uploads(patch: pytest.MonkeyPatch) -> list[str]:
    """Note each key that is uploaded from now on."""
    upload = uploading.upload
    keys: list[str] = []

    def noted(aws: Aws, bucket: str, key: str, *rest: Any) -> None:
        keys.append(key)
        upload(aws, bucket, key, *rest)

    patch.setattr(uploading, "upload", noted)
    return keys


def test_after_ctrl_c_it_goes_on_and_nobody_sees_half_of_it(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = some_files(ground)
    with monkeypatch.context() as patch:
        interrupted(patch, after=2)
        with pytest.raises(KeyboardInterrupt):
            ground.push(folder)
    assert dataset_pull.datasets(ground.operator) == []
    with pytest.raises(BootstrapError, match="no dataset"):
        dataset_pull.pull(ground.operator, "many", None, ground.folder / "raw", ground.story)
    sent = uploads(monkeypatch)
    assert ground.push(folder).card.version == 1
    assert sent == ["dataset/many/v1/2.txt", "dataset/many/v1/3.txt"]
    assert "dataset/many/v1.begun.json" not in ground.there()


def test_after_ctrl_c_with_other_files_by_now(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = some_files(ground)
    with monkeypatch.context() as patch:
        interrupted(patch, after=2)
        with pytest.raises(KeyboardInterrupt):
            ground.push(folder)
    (folder / "0.txt").unlink()
    (folder / "1.txt").write_text("9\n")
    done = ground.push(folder)
    assert done.card.version == 1
    assert [key for key in ground.there() if key.startswith("dataset/many/v1/")] == [
        f"dataset/many/v1/{number}.txt" for number in (1, 2, 3)
    ]
    # In the size that was there already: told apart by its checksum.
    assert ground.read("dataset/many/v1/1.txt") == b"9\n"


def test_two_at_once_get_a_version_each(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = some_files(ground)
    with monkeypatch.context() as patch:
        interrupted(patch, after=1)
        with pytest.raises(KeyboardInterrupt):
            ground.push(folder)
    prof = ground.desk(ground.join("prof", "instructor"), writes=True)
    done = ground.push(ground.file(), "many", prof)
    assert (done.card.version, done.card.by) == (2, "prof")
    assert any("began v1" in text for text in ground.story.told)
    # The first of them then finishes as the newest: the highest number that was free.
    assert ground.push(folder).card.version == 3


def test_somebody_takes_it_over_meanwhile(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = uploading.upload

    def meanwhile(aws: Aws, bucket: str, key: str, *rest: Any) -> None:
        ground.put("dataset/laptops/v1.begun.json", b"{}")
        upload(aws, bucket, key, *rest)

    monkeypatch.setattr(uploading, "upload", meanwhile)
    with pytest.raises(BootstrapError, match="Somebody else has begun to fill laptops v1"):
        ground.push(ground.file())
    assert "dataset/laptops/v1.json" not in ground.there()


def test_a_file_that_changes_while_it_is_read(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ground.file()
    upload = uploading.upload

    def changed(*words: Any) -> None:
        file.write_text(CSV.replace("Acer", "Asus"))
        upload(*words)

    monkeypatch.setattr(uploading, "upload", changed)
    with pytest.raises(BootstrapError, match="was changed while it was read"):
        ground.push(file)
    assert not [key for key in ground.there() if key.endswith((".csv", "v1.json"))]


def test_a_large_file_goes_in_parts(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "PART", 5 * 1024**2)
    monkeypatch.setattr(uploading, "part_of", lambda _: 5 * 1024**2)
    body = bytes(range(256)) * 50_000
    file = ground.file(name="large.bin")
    file.write_bytes(body)
    ground.push(file)
    assert ground.read("dataset/large/v1/large.bin") == body
    folder = ground.folder / "raw"
    assert dataset_pull.pull(ground.operator, None, None, folder, ground.story).written == ("large.bin",)
    assert (folder / "large.bin").read_bytes() == body
    # Whether it is there is told without reading it.
    one = data_files.measure(file, "large.bin")
    key = "dataset/large/v1/large.bin"
    assert uploading.has(ground.place.aws, ground.record.bucket, key, one.size, one.sha256)
    assert not uploading.has(ground.place.aws, ground.record.bucket, key, one.size, "0" * 64)


def test_a_large_file_that_breaks_off_leaves_nothing_that_costs(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "PART", 5 * 1024**2)
    monkeypatch.setattr(uploading, "part_of", lambda _: 5 * 1024**2)
    s3, stop = ground.place.aws.client("s3"), threading.Event()

    def end(**_: Any) -> None:
        stop.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(s3, "complete_multipart_upload", end)
    file = ground.file(name="large.bin")
    file.write_bytes(b"x" * 12_000_000)
    with pytest.raises(KeyboardInterrupt):
        ground.push(file)
    assert stop.is_set()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=ground.record.bucket)


def test_what_the_operator_pushes_is_in_the_history(ground: Ground) -> None:
    ground.push(ground.file())
    aws, bucket = ground.place.aws, ground.record.state_bucket
    (line,) = objects.listed(aws, bucket, "stag/history/")
    text = objects.read_text(aws, bucket, line.key)
    assert text is not None
    found = json.loads(text.text)
    assert (found["command"], found["arguments"]["dataset"]) == ("dataset push", "laptops v1")


# --- who may ---


def test_an_instructor_pushes_with_the_key_of_the_invite(ground: Ground) -> None:
    prof = ground.desk(ground.join("prof", "instructor"), writes=True)
    done = ground.push(ground.file(), desk=prof)
    assert (done.changed, done.card.by) == (True, "prof")


def test_a_student_is_told_whom_to_ask(ground: Ground) -> None:
    with pytest.raises(BootstrapError, match="as ana, a student") as refused:
        ground.desk(ground.join("ana", "student"), writes=True)
    assert "dvc push" in refused.value.hint


def test_somebody_who_is_no_instructor_any_more(ground: Ground) -> None:
    prof = ground.desk(ground.join("prof", "instructor"), writes=True)
    user = ground.place.names.iam_user("prof")
    ground.place.aws.client("iam").delete_user_policy(UserName=user, PolicyName="bootstrap")
    with pytest.raises(AwsFailed) as refused:
        ground.push(ground.file(), desk=prof)
    assert "ask the person who invited you" in refused.value.hint
    assert "administer" not in refused.value.hint


def test_nobody_has_joined(ground: Ground, tmp_path: Path) -> None:
    with pytest.raises(BootstrapError, match="'stag' is neither up nor joined") as refused:
        ground.desk(tmp_path)
    assert "bootstrap join" in refused.value.hint


def test_a_slip_in_the_name_of_the_environment(ground: Ground) -> None:
    with pytest.raises(BootstrapError, match=r"'satg' is neither up nor joined in .*\. Did you mean 'stag'\?"):
        ground.desk(ground.join("ana", "student"), env="satg")


def test_who_joined_in_another_folder_of_this_machine(ground: Ground, tmp_path: Path) -> None:
    ground.push(ground.file())
    joined = ground.join("ana", "student")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    desk = ground.desk(elsewhere, env=None)
    assert desk.record.member == "ana"
    assert any(str(joined) in text for text in ground.story.told)
    ground.join("bia", "student")
    with pytest.raises(UsageError, match="Several environments are joined on this machine"):
        ground.desk(elsewhere)


# --- pull ---


@pytest.fixture
def ana(ground: Ground) -> Desk:
    """A student's desk, with two versions of one dataset behind it."""
    ground.push(ground.file())
    ground.push(ground.file(CSV + "HP;10\n"))
    return ground.desk(ground.join("ana", "student"))


def bring(ground: Ground, desk: Desk, version: int | None = None, **options: Any) -> tuple[str, ...]:
    return dataset_pull.pull(desk, None, version, ground.folder / "raw", ground.story, **options).written


def test_a_student_gets_the_newest_and_a_second_run_changes_nothing(
    ground: Ground, ana: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bring(ground, ana) == ("laptops.csv",)
    file = ground.folder / "raw" / "laptops.csv"
    assert file.read_text() == CSV + "HP;10\n"
    before = file.stat().st_mtime_ns
    monkeypatch.setattr(copying, "fetch", None)
    assert bring(ground, ana) == ()
    assert file.stat().st_mtime_ns == before
    assert [path.name for path in file.parent.iterdir()] == ["laptops.csv"]


def edit(file: Path) -> None:
    file.write_text("mine")


# What is done to the file between two pulls → what the second one, of version 2, finds.
BETWEEN: dict[str, tuple[Callable[[Path], object], bool]] = {
    "nothing": (lambda _: None, True),
    "deleted": (Path.unlink, True),
    "changed": (edit, False),
    "emptied": (lambda file: file.write_bytes(b""), False),
}


@pytest.mark.parametrize(("act", "goes_on"), BETWEEN.values(), ids=BETWEEN.keys())
def test_an_older_version_is_replaced_and_a_students_own_is_not(
    ground: Ground, ana: Desk, act: Callable[[Path], object], goes_on: bool
) -> None:
    file = ground.folder / "raw" / "laptops.csv"
    bring(ground, ana, 1)
    assert file.read_text() == CSV
    act(file)
    before = file.read_bytes() if file.exists() else None
    if goes_on:
        assert bring(ground, ana) == ("laptops.csv",)
    else:
        with pytest.raises(BootstrapError, match="somebody changed it here") as refused:
            bring(ground, ana)
        assert "--overwrite" in refused.value.hint
        assert file.read_bytes() == before
        assert [path.name for path in file.parent.iterdir()] == ["laptops.csv"]
        assert bring(ground, ana, overwrite=True) == ("laptops.csv",)
    assert file.read_text() == CSV + "HP;10\n"


def test_a_link_is_replaced_and_what_it_leads_to_stays(ground: Ground, ana: Desk) -> None:
    """As DVC may keep files: a link into its cache, which must not be written through."""
    bring(ground, ana, 1)
    file, cache = ground.folder / "raw" / "laptops.csv", ground.folder / "cache"
    file.replace(cache)
    file.symlink_to(cache)
    bring(ground, ana)
    assert cache.read_text() == CSV
    assert not file.is_symlink()


def test_a_version_that_is_not_there(ground: Ground, ana: Desk) -> None:
    with pytest.raises(BootstrapError, match="no v7 of 'laptops'") as refused:
        bring(ground, ana, 7)
    assert "v1, v2" in refused.value.hint
    with pytest.raises(BootstrapError, match="Did you mean 'laptops'"):
        dataset_pull.pull(ana, "laptop", None, ground.folder / "raw", ground.story)


def test_what_was_changed_behind_the_card_is_not_taken(ground: Ground, ana: Desk) -> None:
    ground.put("dataset/laptops/v2/laptops.csv", (CSV + "HX;10\n").encode())
    with pytest.raises(BootstrapError, match="is not what the card of laptops v2 says"):
        bring(ground, ana)
    assert not (ground.folder / "raw" / "laptops.csv").exists()


def test_a_damaged_card(ground: Ground, ana: Desk) -> None:
    ground.put("dataset/laptops/v2.json", b"{}")
    with pytest.raises(BootstrapError, match=r"v2\.json is damaged"):
        bring(ground, ana)


def test_a_folder_in_the_way(ground: Ground, ana: Desk) -> None:
    (ground.folder / "raw" / "laptops.csv").mkdir(parents=True)
    with pytest.raises(BootstrapError, match="has to be a file"):
        bring(ground, ana)


def test_a_folder_that_cannot_be_made_is_named(ground: Ground, ana: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        # Not by its mode: whoever runs the tests as root may write anywhere.
        patch.setattr(Path, "mkdir", refuse)
        patch.setattr(dataset_pull, "locked", lambda *_, **__: nullcontext())
        with pytest.raises(BootstrapError, match=r"put into .*raw: Permission denied") as caught:
            bring(ground, ana)
    assert "--to DIR" in caught.value.hint


def fetches(patch: pytest.MonkeyPatch) -> list[str]:
    """Note each key that is fetched from now on."""
    fetch = copying.fetch
    keys: list[str] = []

    def noted(aws: Aws, bucket: str, source: Any, *rest: Any) -> Any:
        keys.append(source.key)
        return fetch(aws, bucket, source, *rest)

    patch.setattr(copying, "fetch", noted)
    return keys


def test_after_ctrl_c_a_pull_goes_on_and_nothing_is_half_new(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.push(some_files(ground))
    raw = ground.folder / "raw"
    fetch, fetched = copying.fetch, list[str]()

    def counted(aws: Aws, bucket: str, source: Any, *rest: Any) -> Any:
        fetched.append(source.key)
        if len(fetched) >= 3:
            raise KeyboardInterrupt
        return fetch(aws, bucket, source, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(copy_out, "_SIDE_BY_SIDE", 1)
        patch.setattr(copying, "fetch", counted)
        with pytest.raises(KeyboardInterrupt):
            bring(ground, ground.operator)
        assert [path for path in raw.iterdir() if path.is_file()] == []
    again = fetches(monkeypatch)
    assert len(bring(ground, ground.operator)) == 4
    assert sorted(again) == ["dataset/many/v1/2.txt", "dataset/many/v1/3.txt"]
    assert sorted(path.name for path in raw.iterdir()) == ["0.txt", "1.txt", "2.txt", "3.txt"]


# --- the commands ---


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return what runs the command in a folder."""

    def run(folder: Path, *words: str) -> Result:
        monkeypatch.chdir(folder)
        return CliRunner().invoke(command, words)

    return run


def test_an_instructor_and_a_student_at_their_terminals(ground: Ground, at: Callable[..., Result]) -> None:
    prof, ana = ground.join("prof", "instructor"), ground.join("ana", "student")
    empty = at(ana, "list")
    assert "no dataset in 'stag' yet" in empty.stdout, empty.output
    file = ground.file()
    assert isinstance(at(prof, "push", str(file), "--env", "stag").exception, UsageError)
    pushed = at(prof, "push", str(file), "--env", "stag", "--local", "--yes", "--note", "Synthetic.")
    assert "laptops v1 is there: 1 file (51 bytes, 2 rows)" in pushed.stdout, pushed.output
    again = at(prof, "push", str(file), "--env", "stag", "--yes", "--json")
    assert (again.exit_code, json.loads(again.stdout)["changed"]) == (0, False)
    listed = at(ana, "list")
    assert listed.stdout.split("\n")[1].split()[:2] == ["laptops", "v1"]
    (row,) = json.loads(at(ana, "list", "--all", "--json").stdout)["datasets"]
    assert (row["name"], row["version"], row["newest"], row["by"], row["rows"]) == ("laptops", 1, True, "prof", 2)
    pulled = at(ana, "pull", "laptops", "--json")
    assert json.loads(pulled.stdout)["written"] == ["laptops.csv"], pulled.output
    assert (ana / "data" / "raw" / "laptops.csv").read_text() == CSV
    assert "Nothing to do" in at(ana, "pull").stdout
    assert "Only instructors" in str(at(ana, "push", str(file), "--env", "stag", "--yes").exception)


def test_a_table_is_counted_whatever_it_looks_like(tmp_path: Path) -> None:
    for text, expected in {
        "a,b\n1,2\n3,4": (2, ("a", "b")),
        "\ufeffa\tb\n1\t2\n": (1, ("a", "b")),
        'a,"b\nc"\n1,"x\ny"\n': (1, ("a", "b\nc")),
        "": (None, ()),
        "a;b\r\n": (0, ("a", "b")),
    }.items():
        file = tmp_path / "t.csv"
        file.write_bytes(text.encode())
        found = data_files.measure(file, "t.csv")
        assert (found.rows, found.columns) == expected
    (tmp_path / "t.csv").write_bytes(b"pre\xe7o,b\n1,2\n")
    assert data_files.measure(tmp_path / "t.csv", "t.csv").rows == 1
    assert isinstance(Card("t", 1, "2026-01-01", "ana", (found,)).to_json(), str)
