"""Reads the pages of the docs and does what they say: a page is a story, told from top to bottom in one empty folder.

What stands behind the word of a code block's fence tells how it is meant:

* ``title="digits.yaml"``: the block is a file; it is written, not run.
* ``parsed``: the commands need what a test does not have (CIFAR-10, say); only their words are checked.
* ``fails=2``: the commands end with this exit code.
* ``match``: the output shown is what comes, ``…`` standing for anything.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from contrast import cli
from contrast.study import Study
from contrast.study_file import read_yaml

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(?P<word>\w+)(?P<meant>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SMALL = {"epochs": "1", "batch_size": "50", "data.train": "100", "data.validation": "100", "data.test": "100", "seeds": "2"}
"""What `contrast run` is made to do in a test, unless the page says otherwise itself."""
OTHERS = {"git", "cd", "make", "export", "python", "python3", ".venv/bin/pip", ".venv/bin/python", "source", "rsync"}
"""Commands that are not ours; they are left alone."""


class Lie(AssertionError):
    """A page says what is not so."""


@dataclass(frozen=True)
class Block:
    """One code block: the word of its fence, how it is meant, its text, and the line of the page on which that begins."""

    word: str
    meant: str
    text: str
    line: int

    @property
    def title(self) -> str | None:
        found = re.search(r'title="([^"]+)"', self.meant)
        return found.group(1) if found else None

    @property
    def exit_code(self) -> int:
        found = re.search(r"fails=(\d+)", self.meant)
        return int(found.group(1)) if found else 0


@dataclass(frozen=True)
class Page:
    """One page of Markdown."""

    path: Path
    text: str

    @classmethod
    def at(cls, path: Path) -> Page:
        return cls(path, path.read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix() if self.path.is_relative_to(ROOT) else self.path.name

    @cached_property
    def blocks(self) -> list[Block]:
        return [Block(m["word"], m["meant"], m["text"], self.text[: m.start("text")].count("\n") + 1) for m in FENCE.finditer(self.text)]

    @property
    def prose(self) -> str:
        """The page without its code blocks."""
        return FENCE.sub("", self.text)

    def file(self, title: str) -> str:
        """The text of the block that is a file of this name."""
        return next(block.text for block in self.blocks if block.title == title)


def every_page() -> list[Page]:
    """README, CONTRIBUTING, CHANGELOG and docs; the reference is written by a program and checked as such."""
    docs = [path for path in sorted((ROOT / "docs").rglob("*.md")) if "reference" not in path.relative_to(ROOT).parts]
    return [Page.at(path) for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *docs]]


def tell(page: Page) -> None:
    """Do what a page says, in the working folder, which is empty.

    Raises:
        Lie: a command, a study or a piece of code does not do what the page promises.
    """
    names: dict[str, Any] = {"__name__": "story"}
    study: dict[str, Any] = {}
    with _in_a_process_of_its_own(import_path=str(Path.cwd())):
        for block in page.blocks:
            with _told(f"{page.name}:{block.line}"):
                if block.title is not None:
                    Path(block.title).parent.mkdir(parents=True, exist_ok=True)
                    Path(block.title).write_text(block.text, encoding="utf-8")
                if block.word == "yaml":
                    study = _plan(block, study)
                elif block.word == "python" and block.title is None:
                    exec(compile("\n" * (block.line - 1) + block.text, page.name, "exec"), names)
                elif block.word == "console":
                    _type(block)


@contextlib.contextmanager
def _in_a_process_of_its_own(import_path: str | None = None) -> Iterator[None]:
    """As if the block were: the working folder is imported from only if it is the import path, as for `python` and not for `contrast`."""
    here, path, modules = str(Path.cwd()), list(sys.path), dict(sys.modules)
    sys.path[:] = [*([import_path] if import_path else []), *(place for place in path if place not in ("", here))]
    _forget(here)
    try:
        yield
    finally:
        _forget(here)
        sys.path[:] = path
        sys.modules.update({name: module for name, module in modules.items() if name not in sys.modules})


def _forget(folder: str) -> None:
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(folder + "/"):
            del sys.modules[name]
    importlib.invalidate_caches()


@contextlib.contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise Lie(f"{where}: {type(error).__name__}: {error}") from error


def _plan(block: Block, before: Mapping[str, Any]) -> dict[str, Any]:
    """Plan a study; a block without a base goes on from the page's last one, whose own arms it replaces."""
    content = read_yaml(block.text, "the block")
    if "base" not in content:
        content = {key: value for key, value in before.items() if key not in ("arms", "sweep", "grid")} | content
    Study.parse(content, trust=True).plan()
    return content


def _type(block: Block) -> None:
    for command, shown in commands(block.text):
        words = shlex.split(command)
        if words[0] == "contrast":
            printed = _carry_out(words[1:], block)
            if "match" in block.meant:
                _compare(shown, printed)
        elif words[0] not in OTHERS:
            raise Lie(f"{words[0]!r} is no command that the docs may use: {', '.join(sorted(OTHERS))}")


def commands(text: str) -> list[tuple[str, str]]:
    """The lines of a console block that begin with ``$``, each with the output shown below it."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    if parts[0].strip():
        raise Lie("a console block begins with a line `$ command`")
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts[1:]]


def _carry_out(words: list[str], block: Block) -> str:
    target = words[-1] if ">" in words else None
    words = words if target is None else words[: words.index(">")]
    check_words(words)
    if "parsed" in block.meant:
        return ""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _in_a_process_of_its_own():
        code = cli.main(shrunk(words))
    printed = out.buffer.getvalue().decode("utf-8")
    if code != block.exit_code:
        raise Lie(f"`contrast {shlex.join(words)}` ended with {code}: {err.getvalue()[-500:]}")
    if target is not None:
        Path(target).write_text(printed, encoding="utf-8")
    return printed + err.getvalue()


def check_words(words: list[str]) -> None:
    """Read a command line without carrying it out.

    Raises:
        CycloptsError: there is no such command or option.
    """
    cli.app.parse_args(words, exit_on_error=False, print_error=False)


def shrunk(words: list[str]) -> list[str]:
    """A command that is done in a moment and takes the same way."""
    if words[:1] != ["run"] or "--help" in words:
        return words
    given = {word.partition("=")[0] for word in words}
    return [*words[:2], *(f"{path}={value}" for path, value in SMALL.items() if path not in given), *words[2:]]


def _compare(shown: str, printed: str) -> None:
    pattern = ".*".join(re.escape(" ".join(part.split())) for part in shown.split("…"))
    if not re.fullmatch(pattern, " ".join(printed.split()), re.DOTALL):
        raise Lie(f"the page shows {shown!r}, it printed {printed!r}")


def anchors(page: Page) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Page) -> list[str]:
    """Links and pictures of a page that lead nowhere; those to the web are not followed."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.prose) + re.findall(r'(?:src|href)="([^"]+)"', page.prose):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = (page.path.parent / path).resolve() if path else page.path
        if not found.exists() or (anchor and (found.suffix != ".md" or anchor not in anchors(Page.at(found)))):
            broken.append(target)
    return broken


def unknown_names(page: Page, targets: set[str]) -> list[str]:
    """Commands, options and Makefile targets that a page names, in its prose or its commands, and that do not exist.

    Args:
        page: the page.
        targets: of the Makefile.
    """
    typed = [command for block in page.blocks if block.word in ("console", "yaml") for command in _lines(block)]
    spans = [*re.findall(r"`([^`\n]+)`", page.prose), *typed]
    known, options = set(cli.app), _options()
    unknown = []
    for span in spans:
        words = span.split()
        if words[:1] == ["contrast"] and len(words) > 1 and words[1] not in known and words[1][0].islower():
            unknown.append(span)
        if words[:1] == ["make"] and not set(words[1:]) <= targets:
            unknown.append(span)
        if words[:1] == ["contrast"] or span.startswith("--"):
            unknown += [word for word in words if re.match(r"--[a-z]", word) and word.partition("=")[0] not in options]
    return unknown


def _lines(block: Block) -> list[str]:
    return [command for command, _ in commands(block.text)] if block.word == "console" else []


def _options() -> set[str]:
    """Every option of every command."""
    names = {"--help", "--version"}
    for command in set(cli.app) - {"--help", "-h", "--version"}:
        for argument in cli.app[command].assemble_argument_collection():
            names |= set(argument.names)
    return {name for name in names if name.startswith("--")}
