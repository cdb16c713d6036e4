"""Pictures of a study's page for the docs, and of every section of it for whoever works on it.

python docs/screenshots.py STUDY                      the three pictures of docs/images
python docs/screenshots.py STUDY --sections FOLDER    every section, light and dark, wide and narrow
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from contrast.results import Results

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = Path(__file__).parent / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (1280, 390)
HEIGHT = 860


class Shot(NamedTuple):
    """One picture of the docs: where it begins on the page (an element's id; nothing: at the top), and in which scheme."""

    name: str
    at: str
    scheme: str


SHOTS = (Shot("report-answer", "", "light"), Shot("report-figures", "figures", "light"), Shot("report-dark", "classes", "dark"))


@contextmanager
def browser() -> Iterator[Browser]:
    """The system's browser."""
    from playwright.sync_api import sync_playwright

    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        raise SystemExit(f"no browser: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


def saved(picture: bytes, path: Path) -> None:
    """Write a PNG as small as it gets."""
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").save(path, optimize=True)
    print(f"{path}  {path.stat().st_size / 1000:.0f} kB")


def for_the_docs(opened: Browser, report: Path) -> None:
    """The three pictures of `SHOTS`, at the size of a window."""
    for shot in SHOTS:
        page = opened.new_page(viewport={"width": WIDTHS[0], "height": HEIGHT}, color_scheme=shot.scheme)
        page.goto(report.as_uri())
        if shot.at:
            page.evaluate("at => document.getElementById(at).scrollIntoView()", shot.at)
        saved(page.screenshot(), IMAGES / f"{shot.name}.png")
        page.close()


def of_sections(opened: Browser, report: Path, folder: Path) -> None:
    """A picture of the page's head and of every section, everything in them open."""
    folder.mkdir(parents=True, exist_ok=True)
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            page = opened.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
            page.goto(report.as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            _sections(page, folder / f"{scheme}-{width}")
            page.close()


def _sections(page: Page, stem: Path) -> None:
    for number, part in enumerate(page.locator("header, main > section").all()):
        name = part.get_attribute("aria-labelledby") or "head"
        part.screenshot(path=f"{stem}-{number:02}-{name}.png")


def main() -> None:
    """Read the command line, write the page anew and take its pictures."""
    asked = argparse.ArgumentParser(description="Pictures of a study's page.")
    asked.add_argument("study", type=Path, help="a study's folder, or a page")
    asked.add_argument("--sections", type=Path, help="write a picture of every section into this folder instead")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as scratch, browser() as opened:
        report = given.study if given.study.is_file() else Results(given.study).report(Path(scratch) / "report.html")
        if given.sections:
            of_sections(opened, report.resolve(), given.sections)
        else:
            for_the_docs(opened, report.resolve())


if __name__ == "__main__":
    main()
