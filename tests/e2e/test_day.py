"""The whole day of a course on the local target: from nothing to a prediction, for an instructor and two students.

`up`, a dataset pushed, two teammates brought in; a student in an empty folder of a new HOME: `join`, `new`, the data,
the five commands of the project's README as they stand there, `dvc push`; a teammate with a clone: `join`, `dvc pull`,
the same metrics; the registered model behind the API, the page in front of it; `down`. It takes some minutes:

    WALK_DAY=1 python -m pytest tests/e2e/test_day.py

The project's packages are those of this interpreter then, which the new virtual environment only looks into. To install
them from the project's own pins, as the README's first command does (minutes more, and a network):

    WALK_DAY=install python -m pytest tests/e2e/test_day.py

The page is opened in a browser where playwright and a Chromium are installed (CHROMIUM names another than that on
PATH); else it is only asked whether it answers. With `-s` it tells how long each part took.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import shutil
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.ports import some_port

from .course import Course, Started, laptop

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif("WALK_DAY" not in os.environ, reason="takes minutes; set WALK_DAY=1"),
]

T = TypeVar("T")

NAME = "laptop-pricing"
PACKAGE = "laptop_pricing"
MODEL = f"red.{NAME}@champion"
DATASET = "laptops"
# Another seed than that of the sample that every project makes: what comes out is of the data that was handed out.
SEED = 2031
INSTALLS = os.environ.get("WALK_DAY") == "install"
_SECONDS = 120.0
_POLL_SECONDS = 0.2


@dataclass
class Day:
    """The laptops of the day, where git's server is, and how long each part took (seconds)."""

    prof: Course
    ana: Course
    bia: Course
    hub: Path
    took: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.took[name] = round(time.monotonic() - began, 1)


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    with ExitStack() as stack:
        prof, ana, bia = (stack.enter_context(laptop(tmp_path / name, "course")) for name in ("prof", "ana", "bia"))
        hub = tmp_path / "hub.git"
        prof.run("git", "init", "--quiet", "--bare", str(hub))
        found = Day(prof, ana, bia, hub)
        yield found
        sys.stdout.write(json.dumps(found.took, indent=1))


def at(course: Course, folder: Path) -> Course:
    """Return the same laptop, with its user in another folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return replace(course, folder=folder)


def in_project(course: Course, folder: Path) -> Course:
    """Return a laptop whose user is in the project, its virtual environment active."""
    path = f"{folder / '.venv' / 'bin'}{os.pathsep}{course.env['PATH']}"
    return replace(course, folder=folder, env=course.env | {"PATH": path})


def commands_of(readme: str) -> list[str]:
    """Return the first five blocks to type, which are the way from nothing to a prediction."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5, "the README has five commands"
    found = [block.strip() for block in blocks[:5]]
    assert all("\n" not in block for block in found)
    return found


def install(course: Course, line: str) -> None:
    """Do what the README's first command does; without WALK_DAY=install the packages are those of this interpreter."""
    if INSTALLS:
        course.bash(line)
        return
    make, _, rest = line.partition(" && ")
    assert "pip install -r requirements.txt -e ." in rest
    course.bash(make)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = course.folder / ".venv" / "lib" / version / "site-packages"
    (packages / "installed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{course.folder}\n")


def wait_until(what: Callable[[], T], *, during: Started) -> T:
    """Ask again until there is an answer; fail if the server ends before."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            return what()
        except (OSError, ValueError):
            assert not during.ended, f"{during.argv} ended\n{during.wait().said}"
            assert time.monotonic() < deadline, f"{during.argv} does not answer\n{during.err}"
            time.sleep(_POLL_SECONDS)


def ask(url: str) -> Any:
    """Return the JSON at an address. Raises OSError where nobody answers, or not with success."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an address of ours
        return json.load(answer)


@contextmanager
def server(course: Course, line: str) -> Iterator[Started]:
    """Run what a line of the shell starts, until the block ends; then end it as Ctrl-C does."""
    started = course.start("bash", "-c", f"exec {line}" if "=" not in line.split()[0] else f"exec env {line}")
    try:
        yield started
    finally:
        if not started.ended:
            started.interrupt()
        done = started.wait()
        assert "Traceback" not in done.err, done.said


def metrics_of(project: Course) -> dict[str, Any]:
    found = json.loads((project.folder / "reports" / "metrics.json").read_text())
    assert isinstance(found, dict)
    return found


# --- the day, part by part ---


def prepare(day: Day) -> None:
    """The instructor: an environment, the data, two teammates."""
    prof = day.prof
    with day.part("up"):
        prof.up()
    # The data is made as the project itself makes its sample, in a project of the instructor's own.
    with day.part("the instructor's own project"):
        made = at(prof, prof.home / "prepare")
        at(prof, prof.folder).bootstrap("new", "own", "--lang", "en")
        own = prof.folder / "own"
        params = own / "params.yaml"
        text, count = re.subn(r"(?m)^(  seed: )7$", rf"\g<1>{SEED}", params.read_text())
        assert count == 1, "the sample has a seed in params.yaml"
        params.write_text(text)
        at(prof, own).run("python", "-m", "own", "sample")
        shutil.copy(own / "data" / "raw" / "laptop_prices_sample.csv", made.folder / f"{DATASET}.csv")
    with day.part("dataset push"):
        words = ("dataset", "push", str(made.folder / f"{DATASET}.csv"), "--env", "stag", "--yes")
        prof.bootstrap(*words, "--note", "Synthetic.")
        assert prof.bootstrap(*words, "--json").json()["changed"] is False
    with day.part("onboard"):
        (prof.folder / "members.csv").write_text("name,role,team\nana,student,red\nbia,student,red\n")
        onboard(prof)


def onboard(prof: Course) -> None:
    prof.bootstrap(
        "onboard", "--roster", "members.csv", "--env", "stag", "--yes", "--codes", str(prof.home / "codes.csv")
    )


def join(day: Day, course: Course, name: str) -> None:
    """Open an invite in the folder that somebody is in."""
    invite = course.home / f"{name}.age"
    shutil.copy(day.prof.folder / "invites" / "stag" / f"{name}.age", invite)
    rows = csv.DictReader((day.prof.home / "codes.csv").read_text().splitlines())
    code = next(row["code"] for row in rows if row["member"] == name)
    course.bootstrap("join", str(invite), "--code", code)


def begin(day: Day) -> tuple[Course, list[str]]:
    """Ana, with an invite and nothing else: an empty folder, `join`, `new`, and the data of the course."""
    desk = at(day.ana, day.ana.home / "day")
    with day.part("join"):
        join(day, desk, "ana")
    with day.part("new"):
        desk.bootstrap("new", NAME, "--lang", "en")
    project = in_project(desk, desk.folder / NAME)
    commands = commands_of((project.folder / "README.md").read_text())
    with day.part("install"):
        install(project, commands[0])
    with day.part("dataset pull"):
        project.bootstrap("dataset", "pull")
        assert project.bootstrap("dataset", "pull", "--json").json()["written"] == []
    # As the README says under "Make it yours".
    project.run("dvc", "add", f"data/raw/{DATASET}.csv")
    params = project.folder / "params.yaml"
    text, count = re.subn(r"(?m)^(  file: ).*$", rf"\g<1>data/raw/{DATASET}.csv", params.read_text())
    assert count == 1, "params.yaml names the data"
    params.write_text(text)
    return project, commands


def train(day: Day, project: Course, commands: list[str]) -> None:
    """Data to a registered, promoted model; data and code to where the team finds them."""
    with day.part("dvc repro"):
        project.bash(commands[1])
    with day.part("dvc repro, again"):
        assert "up to date" in project.bash(commands[1]).out
    found = metrics_of(project)
    assert found["r2"] > 0.6, found
    assert found["mape"] < 0.15, found
    with day.part("register and promote"):
        project.bash(commands[2])
    with day.part("dvc push"):
        project.run("dvc", "push")
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", "The first model")
    project.run("git", "remote", "add", "origin", str(day.hub))
    project.run("git", "push", "--quiet", "--all", "origin")
    no_secret_in_git(day, project)


def no_secret_in_git(day: Day, project: Course) -> None:
    """Look through everything that git has for what opens something."""
    history = project.run("git", "log", "--all", "--patch", "--text").out
    credentials = (day.ana.home / ".aws" / "credentials").read_text()
    secrets = re.findall(r"aws_secret_access_key *= *(\S+)", credentials)
    secrets.append(project.dotenv()["MLFLOW_TRACKING_PASSWORD"])
    assert len(secrets) >= 2
    assert not [secret for secret in secrets if secret in history]
    assert "data/raw/laptops.csv.dvc" in history
    assert not re.search(r"^\+\+\+ b/data/.*\.csv$", history, re.MULTILINE)


def reproduce(day: Day, project: Course) -> None:
    """Bia, with the repository and an invite of her own: the same data, the same model, the same numbers."""
    desk = at(day.bia, day.bia.home / "day")
    with day.part("a teammate: clone, join, dvc pull"):
        desk.run("git", "clone", "--quiet", "--branch", "main", str(day.hub), NAME)
        clone = in_project(desk, desk.folder / NAME)
        join(day, clone, "bia")
        install(clone, commands_of((clone.folder / "README.md").read_text())[0])
        clone.run("dvc", "pull")
    for path in (f"data/raw/{DATASET}.csv", "models/model.joblib"):
        assert (clone.folder / path).read_bytes() == (project.folder / path).read_bytes(), path
    with day.part("a teammate: dvc repro"):
        assert "up to date" in clone.run("dvc", "repro").out
    with day.part("a teammate: dvc repro --force"):
        clone.run("dvc", "repro", "--force")
    assert metrics_of(clone) == metrics_of(project)
    # What git tracks is as it was: the teammate has nothing to commit but what `join` may have written.
    changed = clone.run("git", "status", "--porcelain", "reports", "models", "dvc.lock").out
    assert changed == ""


def serve(day: Day, project: Course, commands: list[str]) -> None:
    """The API answers as the model itself does, and the page in front of it answers."""
    port, page_port = some_port(), some_port()
    api = f"http://127.0.0.1:{port}"
    assert f"MODEL_URI=models:/{MODEL}" in commands[3]
    curl = commands[4].replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    assert curl != commands[4]
    with ExitStack() as stack:
        with day.part("API: until it is ready"):
            serving = stack.enter_context(server(project, f"{commands[3]} --port {port}"))
            wait_until(lambda: ask(f"{api}/health"), during=serving)
        answer = json.loads(project.bash(curl).out)
        price = answer["predictions"][0]["price"]
        assert answer["model"] == "1"
        assert ask(f"{api}/version")["model"] == "1"
        row = json.loads(commands[4].partition(" -d '")[2].rstrip("'"))
        assert price == pytest.approx(of_the_model(project, row), abs=0.01)
        with day.part("page: until it answers"):
            words = f"python -m {PACKAGE} frontend --api {api} --port {page_port}"
            showing = stack.enter_context(server(project, words))
            health = f"http://127.0.0.1:{page_port}/_stcore/health"
            wait_until(lambda: urllib.request.urlopen(health, timeout=5).close(), during=showing)
        with day.part("page: in a browser"):
            look_at(f"http://127.0.0.1:{page_port}/?lang=en")


def of_the_model(project: Course, row: dict[str, str]) -> float:
    """Return what the registered model itself says of a row."""
    source, priced = project.folder.parent / "row.csv", project.folder.parent / "priced.csv"
    raw = (project.folder / "data" / "raw" / f"{DATASET}.csv").read_text().splitlines()
    names = next(csv.reader(raw))
    with source.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerow(row)
    words = ("--model", f"models:/{MODEL}", "--output", str(priced), "--overwrite")
    project.run("python", "-m", PACKAGE, "predict", str(source), *words)
    (found,) = csv.DictReader(priced.read_text().splitlines())
    return float(found["predicted_Price"])


def look_at(url: str) -> None:
    """Press the button of the page as a person does, where there is a browser."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(url)
            button = page.get_by_role("button", name="Predict the price")
            button.wait_for(timeout=60_000)
            button.click()
            price = page.get_by_test_id("stMetricValue")
            price.wait_for(timeout=60_000)
            assert price.inner_text().startswith("R$")
        finally:
            browser.close()


def test_the_whole_day(day: Day) -> None:
    prepare(day)
    project, commands = begin(day)
    train(day, project, commands)
    # A new experiment and model are their maker's until the instructor's next `onboard`, docs/people.md says so.
    with day.part("onboard, again"):
        onboard(day.prof)
    reproduce(day, project)
    serve(day, project, commands)
    with day.part("down"):
        day.prof.bootstrap("down", "--env", "stag", "--yes")
    assert day.prof.processes() == []
