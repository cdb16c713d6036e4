"""The docs can't lie: what they show is run, what they name exists, where they point to is there."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tests.docs import pages
from tests.docs.pages import ROOT, Lie, Page, every_page

PAGES = every_page()
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
of_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder of somebody who has no data and whose home is somewhere else."""
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("CONTRAST_DATA", raising=False)
    (tmp_path / "story").mkdir()
    monkeypatch.chdir(tmp_path / "story")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)  # two threads gain nothing on 100 images
    ending, threads = signal.getsignal(signal.SIGTERM), torch.get_num_threads()
    yield tmp_path / "story"
    signal.signal(signal.SIGTERM, ending)
    torch.set_num_threads(threads)


def shown(page: Page) -> Any:
    """A case of the test below; how-tos, of which there are many, wait for `make test-all`."""
    return pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name.startswith("docs/how-to/") else [])


@pytest.mark.parametrize("page", [shown(page) for page in PAGES if page.blocks])
def test_what_a_page_shows_is_what_happens(page: Page, empty_folder: Path) -> None:
    pages.tell(page)


@of_every_page
def test_links_and_pictures_lead_somewhere(page: Page) -> None:
    assert pages.broken_links(page) == []


@of_every_page
def test_commands_options_and_targets_that_a_page_names_exist(page: Page) -> None:
    assert pages.unknown_names(page, TARGETS) == []


def test_links_of_the_reference_lead_somewhere() -> None:
    for path in sorted((ROOT / "docs" / "reference").glob("*.md")):
        assert pages.broken_links(Page.at(path)) == [], path.name


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_code_says(reference: ModuleType) -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md")}
    written = reference.pages()
    assert sorted(kept) == sorted(written)
    stale = [name for name, text in written.items() if kept[name] != text]
    assert stale == [], "run `make docs`"


def test_examples_in_docstrings_are_right() -> None:
    for path in sorted((ROOT / "src" / "contrast").rglob("*.py")):
        if ">>>" in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
            assert doctest.testmod(importlib.import_module(name)).failed == 0, name


@pytest.mark.slow
def test_the_worked_examples_of_contributing_pass_the_contract_tests(tmp_path: Path) -> None:
    """The files of CONTRIBUTING.md are laid over a copy of the package, where pytest finds them as in a checkout."""
    page = Page.at(ROOT / "CONTRIBUTING.md")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copytree(ROOT / "tests" / "contracts", tmp_path / "tests" / "contracts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tests" / "reading").mkdir()
    for made in ("made_study.py", "made_designs.py"):
        shutil.copy(ROOT / "tests" / "reading" / made, tmp_path / "tests" / "reading")
    (tmp_path / "tests" / "__init__.py").touch()
    titles = [block.title for block in page.blocks if block.title is not None]
    for title in titles:
        target = tmp_path / title
        assert not target.exists(), f"{title} stands already: an addition is a file of its own"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page.file(title), encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-v", "-p", "no:xdist", "-k", "invert or gap", "tests"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "PYTEST_ADDOPTS": "", "OMP_NUM_THREADS": "1"}
    told = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-1000:]
    passed = re.findall(r"^(\S+?)::\S+ PASSED", told.stdout, re.MULTILINE)
    for file in (
        "tests/contracts/test_ingredients.py",
        "tests/contracts/test_figures.py",
        *(title for title in titles if title.startswith("tests/")),
    ):
        assert file in passed, f"nothing of {file} was run"
    assert "test_an_image_comes_out_the_same_alone_or_in_any_batch[invert]" in told.stdout
    assert "test_the_page_shows_what_it_gives_in_its_place[gap]" in told.stdout


def a_page(folder: Path, text: str) -> Page:
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    return Page.at(path)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nassert 1 == 2\n```\n",
        "```console\n$ contrast list no-such-kind\n```\n",
        "```console\n$ contrast run quickstart --no-such-option --dry-run\n```\n",
        "```console parsed\n$ contrast run quickstart --no-such-option\n```\n",
        "```console fails=2\n$ contrast list schedule\n```\n",
        "```console match\n$ contrast --version\n9.9.9\n```\n",
        "```console\n$ curl something\n```\n",
        "```yaml\nbase: {data: mnist5k, model: no_such_model}\n```\n",
        "```yaml\nbase: {data: mnist5k, model: mlp}\n```\n\n```yaml\narms: {wide: {model.no_such_setting: 1}}\n```\n",
    ],
)
def test_a_page_that_shows_what_does_not_happen_is_found_out(text: str, empty_folder: Path) -> None:
    with pytest.raises(Lie):
        pages.tell(a_page(empty_folder, text))


@pytest.mark.parametrize("text", ["[there](nowhere.md)", "[there](#no-heading)", "![picture](none.png)", '<img src="none.png">'])
def test_a_link_that_leads_nowhere_is_found_out(text: str, tmp_path: Path) -> None:
    assert len(pages.broken_links(a_page(tmp_path, f"# A heading\n\n[here](#a-heading) {text}"))) == 1


@pytest.mark.parametrize("span", ["`contrast fly RUNS`", "`--no-such-option`", "`make coffee`", "`contrast run STUDY --fast`"])
def test_a_name_that_does_not_exist_is_found_out(span: str, tmp_path: Path) -> None:
    assert len(pages.unknown_names(a_page(tmp_path, f"Use {span}, `contrast run STUDY --dry-run` or `make test`."), TARGETS)) == 1


def test_a_wrong_example_in_a_docstring_would_be_found_out() -> None:
    wrong = ModuleType("wrong", ">>> 1 + 1\n3\n")
    wrong.__dict__["__file__"] = __file__
    assert doctest.testmod(wrong, report=False, verbose=False).failed == 1
