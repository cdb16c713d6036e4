"""Do the tests notice when the statistics are wrong? Small faults are put into `contrast.compare`, one at a time, and the tests run.

Every place where a comparison, an operator, a constant, a condition or a returned value could be another one is a mutant. A
seeded sample of them is tried in a copy of the tree, so that nobody's work is touched; the tests of the changed file run first.
Prints each survivor as the line before and after. Not mutated: docstrings, words, annotations, `__all__`, decorators.

    python bench/mutation.py --sample 120 --seed 1
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis.extra.numpy  # noqa: F401  loaded before the forks, for speed
import pandas  # noqa: F401
import pytest
import scipy.optimize
import scipy.stats  # noqa: F401
import statsmodels.stats.multitest
import statsmodels.stats.power
import statsmodels.stats.proportion
import statsmodels.stats.weightstats  # noqa: F401

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/contrast/compare")
TESTS = Path("tests/compare")
OWN_TESTS = {
    "calibration": ["calibration"], "classes": ["calibration"], "comparison": ["comparison", "overlap"], "contrast": ["comparison", "overlap"],
    "estimate": ["estimate", "overlap"], "factorial": ["designs", "overlap"], "intervals": ["estimate"], "metrics": ["comparison"],
    "pairing": ["comparison"], "power": ["power", "overlap"], "remarks": ["comparison"], "rounding": ["rounding"],
    "sequential": ["sequential", "verdict"], "sweep": ["designs"], "telling": ["comparison"], "testing": ["testing"], "variance": ["estimate"],
    "verdict": ["verdict", "overlap"],
}  # fmt: skip
"""Which test files speak of a module, so that most mutants die in a second."""
SECONDS = 180
"""A mutant that runs longer than this hangs, and is noticed."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd,
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "all": "any", "any": "all", "argmax": "argmin", "argmin": "argmax",
         "ceil": "floor", "floor": "ceil", "sorted": "list"}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One fault: the file, the line, what was done, and the whole new text."""

    module: str
    line: int
    fault: str
    before: str
    after: str
    text: str


def changed(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What a node could be by mistake: a name for the fault, and the new node."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            new = copy.deepcopy(node)
            new.ops[place] = COMPARISONS[type(operator)]()
            yield "comparison", new
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield "operator", ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        yield "and / or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield "sign", node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "truth", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield "constant", ast.Constant(node.value + 1)
    elif isinstance(node, (ast.If, ast.IfExp)):
        new = copy.deepcopy(node)
        new.test = ast.UnaryOp(ast.Not(), new.test)
        yield "condition", new
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield "filter", ast.comprehension(node.target, node.iter, [], node.is_async)
    elif isinstance(node, ast.Return) and node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "return", ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield "function", ast.Name(NAMES[node.id], node.ctx)
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield "function", ast.Attribute(node.value, NAMES[node.attr], node.ctx)


SKIPPED = ("annotation", "returns", "decorator_list", "type_comment")


def children(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Every node that is run, with the place it has in its parent."""
    for name, value in ast.iter_fields(node):
        if name in SKIPPED or (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield child, name, place


def mutants_of(path: Path) -> Iterator[Mutant]:
    """All mutants of one file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = ast.unparse(tree).splitlines()
    waiting: list[ast.AST] = [tree]
    while waiting:
        parent = waiting.pop()
        for child, name, place in children(parent):
            waiting.append(child)
            for fault, new in changed(child):
                _put(parent, name, place, new)
                text = ast.unparse(ast.fix_missing_locations(tree))
                _put(parent, name, place, child)
                yield Mutant(path.stem, getattr(child, "lineno", 0), fault, *_difference(plain, text.splitlines()), text)


def _put(parent: ast.AST, name: str, place: int | None, child: ast.AST) -> None:
    if place is None:
        setattr(parent, name, child)
    else:
        getattr(parent, name)[place] = child


def _difference(before: list[str], after: list[str]) -> tuple[str, str]:
    return next(((old.strip(), new.strip()) for old, new in zip(before, after, strict=False) if old != new), ("", ""))


def notices(mutant: Mutant, tree: Path) -> str:
    """ "killed", "hangs" or "survives"."""
    target = tree / PACKAGE / f"{mutant.module}.py"
    original = target.read_text(encoding="utf-8")
    own = [str(TESTS / f"test_{name}.py") for name in OWN_TESTS.get(mutant.module, [])]
    others = sorted(str(path.relative_to(tree)) for path in (tree / TESTS).glob("test_*.py") if str(path.relative_to(tree)) not in own)
    target.write_text(mutant.text, encoding="utf-8")
    try:
        end = run_tests(tree, own) or run_tests(tree, others)
        return {0: "survives", -signal.SIGALRM: "hangs"}.get(end, "killed")
    finally:
        target.write_text(original, encoding="utf-8")


def run_tests(tree: Path, files: list[str]) -> int:
    """What pytest ends with, in a forked child: libraries are loaded once, `contrast` and the tests anew each time."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        os.chdir(tree)
        sys.path[:0] = [str(tree / "src"), str(tree)]
        sys.dont_write_bytecode = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        try:
            quiet = ["-W", "ignore:Module already imported"]  # pytest would look into the asserts of its plugins
            os._exit(int(pytest.main(["-x", "-q", "-n", "0", "--hypothesis-seed=0", "-m", "not slow", *quiet, *files])))
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def copy_of_tree(folder: Path) -> Path:
    """A copy that the tests run in, where a fault must be noticed."""
    for name in ("src", "tests", "bench"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    if run_tests(folder, [str(TESTS)]) != 0:
        raise SystemExit("the tests fail without any fault")
    broken = Mutant("estimate", 1, "", "", "", "raise ImportError")
    if notices(broken, folder) != "killed":
        raise SystemExit("the tests do not import the copy")
    return folder


def main() -> None:
    """Try a sample of the mutants, and print those that no test notices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=120, help="mutants to try")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--only", default="*", help="modules, as a pattern")
    given = parser.parse_args()
    everyone = [mutant for path in sorted((ROOT / PACKAGE).glob(f"{given.only}.py")) if path.stem != "__init__" for mutant in mutants_of(path)]
    chosen = random.Random(given.seed).sample(everyone, min(given.sample, len(everyone)))
    started, ends = time.perf_counter(), {"killed": 0, "hangs": 0, "survives": 0}
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_of_tree(Path(folder).resolve())
        for done, mutant in enumerate(chosen):
            end = notices(mutant, tree)
            ends[end] += 1
            print(f"{done + 1} of {len(chosen)}", end="\r", file=sys.stderr, flush=True)
            if end == "survives":
                print(f"{mutant.module}.py:{mutant.line} {mutant.fault}\n  - {mutant.before}\n  + {mutant.after}", flush=True)
    noticed = len(chosen) - ends["survives"]
    print(f"{noticed} of {len(chosen)} mutants noticed ({ends['hangs']} by hanging), of {len(everyone)} there are; "
          f"seed {given.seed}, {time.perf_counter() - started:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
