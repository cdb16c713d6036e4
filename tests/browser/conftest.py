"""The system's browser, cut off from the network, and pages of studies that are made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright
from tests.reading import made_designs
from tests.reading.made_study import Made, write

import contrast as ct
from contrast.results import Results

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
RATES = {f"model.dropout {p / 10}": p / 10 for p in range(1, 8)}
SWEEP = Made(
    gains={"baseline": 0.0} | {arm: 0.5 * rate - 1.2 * rate**3 for arm, rate in RATES.items()},
    changes={arm: {"model.dropout": rate} for arm, rate in RATES.items()},
    axes={arm: ("model.dropout", rate) for arm, rate in RATES.items()},
    images=200,
    name="sweep",
    question="Which dropout rate is best?",
)


@dataclass
class Opened:
    """A page in the browser, and what it did that a page of ours never does."""

    page: Page
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def quiet(self) -> None:
        """Nothing was asked of a network, nothing went wrong, and nothing was asked of the reader."""
        assert self.requests == []
        assert self.faults == []

    def serious(self, *rules: str) -> list[str]:
        """What axe finds, by some rules or all, that keeps someone from reading: rule and element."""
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        found = Axe().run(self.page, options=options).response["violations"]
        worst = [one for one in found if one["impact"] in ("serious", "critical")]
        return [f"{one['id']}: {node['target']} {node['html'][:200]} {node['any'][:1]}" for one in worst for node in one["nodes"]]


Open = Callable[..., Opened]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests of this folder; it is the system's own, never one that is downloaded."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        pytest.skip(f"no browser on this machine ({', '.join(BROWSERS)})")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def look(browser: Browser) -> Iterator[Open]:
    """Opens a file without a network, as a reader would; every setting of a browser's context can be given."""
    contexts: list[BrowserContext] = []

    def opened(path: Path, **settings: Any) -> Opened:
        context = browser.new_context(offline=True, accept_downloads=True, **settings)
        context.set_default_timeout(60_000)
        contexts.append(context)
        seen = Opened(context.new_page())
        _watch(seen, path.as_uri())
        seen.page.goto(path.as_uri())
        return seen

    yield opened
    for context in contexts:
        context.close()


def _watch(seen: Opened, own: str) -> None:
    """Every request but for the file itself is kept and refused; so is every sign of something wrong."""

    def request(asked: Request) -> None:
        if asked.url.partition("#")[0] != own and not asked.url.startswith(("data:", "blob:")):
            seen.requests.append(asked.url)

    seen.page.context.route(lambda url: not url.startswith("file:"), lambda route: route.abort())
    seen.page.on("request", request)
    seen.page.on("console", lambda said: seen.faults.append(f"{said.type}: {said.text}") if said.type in ("error", "warning") else None)
    seen.page.on("pageerror", lambda error: seen.faults.append(f"error: {error}"))
    seen.page.on("dialog", lambda dialog: (seen.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    seen.page.on("popup", lambda popup: seen.faults.append(f"popup: {popup.url}"))


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The demo, shrunk, and a network without convolutions: trained, so that there are weights and test images to show."""
    base = ct.Recipe(
        data={"use": "mnist5k", "train": 400, "validation": 150, "test": 200},
        model={"use": "convnet", "channels": [4, 6], "kernel": 3},
        optimizer={"use": "adam", "lr": 0.01},
        epochs=2,
        batch_size=50,
        device="cpu",
        precision="fp32",
    )
    arms = {"batch norm": {"model.norm": "batch"}, "dropout": {"model.dropout": 0.2}, "no convolution": {"model": {"use": "mlp", "hidden": [16]}}}
    asked = ct.Study(question="Does batch norm or dropout help a small CNN on digits?", base=base, arms=arms, seeds=2, name="demo")
    return ct.run(asked, runs=tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture(scope="package")
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The page of a study by its kind, written when it is first asked for."""
    folder = tmp_path_factory.mktemp("pages")
    made = {"sweep": lambda: SWEEP, "grid": made_designs.grid, "all designs": made_designs.everything}

    def written(kind: str) -> Path:
        target = folder / f"{kind}.html"
        if target.is_file():
            return target
        if kind == "demo":
            study = request.getfixturevalue("trained")
        else:
            study = Results(folder / kind if (folder / kind).is_dir() else write(folder / kind, made[kind]()))
        return study.report(target)

    return written
