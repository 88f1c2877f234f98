"""The two images of a new project, made and started without Docker, and a person in front of the page.

It installs the packages of both images, which takes minutes and needs a package index, so it runs when asked for:

    WALK_IMAGES=1 pytest tests/templates/ml_project/test_images.py

With playwright (`pip install playwright`) and a chromium on PATH, the page is looked at in that browser; without them,
only whether it is served.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.ports import some_port
from tests.templates.ml_project.dockerfile import Stage, build
from tests.templates.ml_project.rendered import copied

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not os.environ.get("WALK_IMAGES"), reason="takes minutes: set WALK_IMAGES=1"),
]
PACKAGE = "laptop_pricing"


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """The stages of a project whose pipeline has run up to the model."""
    project = copied(tmp_path_factory.mktemp("project"))
    for step in ("sample", "ingest", "process", "features", "train"):
        subprocess.run([sys.executable, "-m", PACKAGE, step], cwd=project, check=True, timeout=300)
    (project / ".env").write_text("MLFLOW_TRACKING_PASSWORD=not-for-images\n")
    return build(project, tmp_path_factory.mktemp("images"))


@contextmanager
def started(stage: Stage, port: int, **env: str) -> Iterator[Callable[[], bool]]:
    """Start what a container would, on loopback and another port; gives what tells whether it is healthy."""

    def here(words: list[str], own: str) -> list[str]:
        everywhere = "0.0.0.0"  # noqa: S104 - what is taken out
        return [word.replace(everywhere, "127.0.0.1").replace(own, str(port)) for word in words]

    own = stage.command[-1]
    given = stage.environment(**env)
    process = subprocess.Popen(here(["env", *stage.command], own), cwd=stage.folder, env=given)
    try:
        yield (
            lambda: (
                subprocess.run(
                    here(["env", *stage.health], own), cwd=stage.folder, env=given, capture_output=True, timeout=60
                ).returncode
                == 0
            )
        )
    finally:
        process.terminate()
        # Whoever stops a container waits ten seconds before it is killed.
        assert process.wait(timeout=10) in (0, -15)


def until(healthy: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not healthy():
        assert time.monotonic() < end
        time.sleep(0.2)


def asked(url: str, body: object = None) -> dict[str, object]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data)  # noqa: S310 - addresses of this test
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        found = json.load(answer)
    assert isinstance(found, dict)
    return found


def test_no_secret_and_no_data_gets_in(stages: dict[str, Stage]) -> None:
    for part in ("api", "frontend"):
        names = {path.name for path in stages[part].folder.rglob("*") if path.is_file()}
        assert not names & {".env", "train.csv", "config", "params.yaml"}
    assert not (stages["frontend"].folder / "models").exists()


def test_a_person_gets_a_price(stages: dict[str, Stage]) -> None:
    api, page = some_port(), some_port()
    with started(stages["api"], api, GIT_COMMIT="0123abc") as healthy:
        until(healthy)
        said = asked(f"http://127.0.0.1:{api}/version")
        assert said["git_commit"] == "0123abc"
        description = asked(f"http://127.0.0.1:{api}/openapi.json")
        example = json.loads(json.dumps(description))["paths"]["/predict"]["post"]["requestBody"]["content"]
        row = example["application/json"]["examples"]["one row"]["value"]
        [answer] = json.loads(json.dumps(asked(f"http://127.0.0.1:{api}/predict", row)))["predictions"]
        with started(stages["frontend"], page, API_URL=f"http://127.0.0.1:{api}") as shown:
            until(shown)
            if importlib.util.find_spec("playwright") and shutil.which("chromium"):
                assert in_a_browser(f"http://127.0.0.1:{page}") == f"R$ {answer['price']:,.2f}"
    assert (stages["api"].folder / "logs" / "predictions.jsonl").read_text().count("\n") >= 1


def in_a_browser(url: str) -> str:
    """Press the button as a person would and return the price that is shown."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(locale="en-US")
        page.goto(url)
        page.get_by_role("button", name="Predict the price").click(timeout=60_000)
        price = page.get_by_test_id("stMetricValue").inner_text(timeout=60_000)
        browser.close()
    return str(price)
