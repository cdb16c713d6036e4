"""The house stands as docs and design say: imports point down, layers that must not meet do not, and nothing unsafe is called."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

import contrast

ROOT = Path(contrast.__file__).parent

FLOORS = {
    "words": [
        "errors", "shown numbers", "faults", "initial training_parts", "evaluation", "rates sampling", "protocols", "catalog", "orders", "recipe",
        "changes", "designs", "planned budgets published", "rungs", "study", "study_file",
    ],
    "ground": ["store", "environment", "apportion keyed", "images", "cautions", "compare"],
    "ingredients": [
        "layers views", "heads", "weights", "zoo freezing", "networks", "official", "downloads idx archives pickled", "decode resampling",
        "ragged", "decoded", "streamed", "exclusions", "class_folders", "image_files torch_images",
        "datasets models augment optimizers schedules losses averaging",
    ],
    "training": ["engine", "loops"],
    "conduct": ["executors loggers", "loaded planned_model", "prepare", "probe", "fastest profiling", "conduct"],
    "reading": [
        "study_updates study_tables", "study_metrics", "design_values", "study_published", "study_designs", "figures", "explain", "report",
        "run_files", "run_images", "evidence", "study_runs", "pilot", "classifier", "opened", "insight_network insight_outcomes",
        "insight", "results",
    ],
    "doors": [
        "racing searching pruning", "live_page serving", "doors", "look", "run_named", "exporting predicting", "inside", "doctor", "commands",
        "cli", "__main__",
    ],
}  # fmt: skip
"""From the ground up; what stands later may import what stands earlier. Names in one string stand side by side and never meet."""

PLACES = {name: (floor, level) for level, (floor, names) in enumerate((f, n) for f, each in FLOORS.items() for n in each) for name in names.split()}
APART = ["datasets", "models", "augment", "optimizers", "schedules", "losses", "averaging", "loops", "figures", "executors", "loggers"]
"""Folders whose files are registered by standing there: each is whole by itself."""

UPWARD = {("protocols", "layers")}
"""`ModelIngredient.initialize` gives networks of this package their initial values, and says in `layers` how."""


class Import(NamedTuple):
    """A module that a file imports when it runs; `late` where a function does."""

    target: str
    late: bool


@cache
def modules() -> dict[str, ast.Module]:
    """Name → text, as a tree, of every file; a folder's own file has the folder's name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imports(tree: ast.AST, name: str, *, late: bool = False) -> Iterator[Import]:
    """All imports of a file but those for the type checker alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(f"{source(node, name)}.{alias.name}", late) for alias in node.names)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from (found for branch in node.orelse for found in imports(ast.Module([branch], []), name, late=late))
        else:
            yield from imports(node, name, late=late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))


def source(node: ast.ImportFrom, name: str) -> str:
    """What ``from … import`` names, a relative one written out."""
    if not node.level:
        return node.module or ""
    is_folder = (ROOT.parent / Path(*name.split("."))).is_dir()
    above = name.split(".")[: len(name.split(".")) - node.level + is_folder]
    return ".".join([*above, node.module] if node.module else above)


def of_file(name: str) -> list[Import]:
    return list(imports(modules()[name], name))


def own(target: str) -> str:
    """The module of this package that an import means: ``contrast.errors`` for ``contrast.errors.InputError``."""
    while target not in modules():
        target = target.rpartition(".")[0]
    return target


@cache
def graph() -> dict[str, set[str]]:
    """Module → the modules of this package that it imports."""
    return {name: {own(i.target) for i in of_file(name) if i.target.partition(".")[0] == "contrast"} - {"contrast", name} for name in modules()}


@cache
def others(name: str, *, late: bool = True) -> set[str]:
    """Top names of what a file imports from outside this package."""
    return {i.target.partition(".")[0] for i in of_file(name) if late or not i.late} - {"contrast", "__future__"}


def part(module: str) -> str:
    """``engine`` for ``contrast.engine.batches``."""
    return module.split(".")[1]


def floor(module: str) -> str:
    return PLACES[part(module)][0]


def parts(*wanted: str) -> list[str]:
    """The modules of these parts or floors."""
    return [name for name in modules() if name != "contrast" and {part(name), floor(name)} & set(wanted)]


def reachable(start: str) -> set[str]:
    """What a module brings with it."""
    seen, pending = set[str](), [start]
    while pending:
        for target in graph()[pending.pop()] - seen:
            seen.add(target)
            pending.append(target)
    return seen


def calls(name: str, *wanted: str) -> list[str]:
    """Calls of functions or methods, as ``place: eval(``, or ``place: torch.load(`` where the name says of what."""
    found = []
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in wanted or f".{called.rpartition('.')[2]}" in wanted:
                found.append(f"{name}:{node.lineno}: {called}(")
    return found


def using(names: Iterable[str], libraries: set[str], *, late: bool = True) -> dict[str, set[str]]:
    """Modules and which of these libraries each imports."""
    return {name: found for name in names if (found := others(name, late=late) & libraries)}


def test_the_reader_sees_imports_in_functions_and_not_those_for_the_type_checker() -> None:
    code = """
import a
if TYPE_CHECKING:
    import b
else:
    import c
def f():
    from d import e
    class G:
        import h
try:
    from .i import j
finally:
    from .. import k
"""
    found = [("a", False), ("c", False), ("d.e", True), ("h", True), ("contrast.engine.i.j", False), ("contrast.k", False)]
    assert list(imports(ast.parse(code), "contrast.engine.step")) == found
    assert list(imports(ast.parse("from .i import j"), "contrast.engine")) == [("contrast.engine.i.j", False)]


class TestLayers:
    def test_every_module_has_its_place(self) -> None:
        assert {part(name) for name in modules() if name != "contrast"} == set(PLACES)

    def test_imports_point_down(self) -> None:
        wrong = {
            (part(name), part(target))
            for name, targets in graph().items()
            for target in targets
            if part(name) != part(target) and PLACES[part(target)][1] >= PLACES[part(name)][1]
        }
        assert wrong - UPWARD == set()
        assert UPWARD - wrong == set(), "an exception that nobody needs"

    def test_what_is_let_upward_is_imported_only_when_it_is_called(self) -> None:
        for name, target in UPWARD:
            found = [i.late for i in of_file(f"contrast.{name}") if i.target.startswith(f"contrast.{target}.")]
            assert found
            assert all(found)

    @pytest.mark.parametrize("below", ["training", "conduct"])
    def test_training_and_reading_never_see_each_other(self, below: str) -> None:
        """They meet in the run folders."""
        for one, other in ((below, "reading"), ("reading", below)):
            assert {name: seen for name in parts(one) if (seen := {target for target in reachable(name) if floor(target) == other})} == {}

    @pytest.mark.parametrize("folder", APART)
    def test_files_of_one_folder_never_import_each_other(self, folder: str) -> None:
        members = [name for name in parts(folder) if name != f"contrast.{folder}"]
        public = {name for name in members if not name.rpartition(".")[2].startswith("_")}
        assert public
        assert {name: graph()[name] & public for name in [*members, f"contrast.{folder}"] if graph()[name] & public} == {}

    def test_no_module_imports_itself_by_a_detour(self) -> None:
        try:
            TopologicalSorter(graph()).prepare()
        except CycleError as error:
            pytest.fail(" → ".join(error.args[1]))

    def test_modules_are_looked_up_by_name_in_two_places_only(self) -> None:
        """What `use` names comes from the folders of ingredients or from outside: the catalog is the only other way than an import."""
        found = {name for name in modules() if calls(name, ".import_module", "__import__")}
        assert found == {"contrast", "contrast.catalog"}


HEAVY = {"torch", "torchvision", "numpy", "pandas", "scipy", "statsmodels", "altair", "vl_convert", "pyarrow", "safetensors", "PIL", "jinja2"}
FILES = {"pathlib", "os", "io", "shutil", "tempfile", "glob"}
OPENING = ("open", ".open", ".read_text", ".write_text", ".read_bytes", ".write_bytes", ".read_csv", ".to_csv", ".read_parquet", ".save")


class TestLibraries:
    """What each layer may lean on; heavy libraries stay where they are used."""

    def test_words_need_no_heavy_library(self) -> None:
        assert using(parts("words"), HEAVY | {"rich"}) == {}

    def test_statistics_take_arrays_and_touch_no_file(self) -> None:
        libraries = {library for name in parts("compare") for library in others(name)} - sys.stdlib_module_names
        assert libraries <= {"numpy", "scipy", "statsmodels", "pandas"}
        assert using(parts("compare"), FILES) == {}
        assert [call for name in parts("compare") for call in calls(name, *OPENING)] == []
        assert {name: graph()[name] for name in parts("compare") if {part(target) for target in graph()[name]} - {"compare"}} == {}

    def test_figures_take_tables_and_touch_no_file(self) -> None:
        assert using(parts("figures"), FILES) == {}
        assert [call for name in parts("figures") for call in calls(name, *OPENING)] == []
        assert {floor(target) for name in parts("figures") for target in reachable(name)} <= {"words", "ground", "reading"}

    def test_figures_and_reports_know_no_network(self) -> None:
        assert using(parts("figures", "report"), {"torch", "torchvision", "safetensors"}) == {}
        seen = {target for name in parts("figures", "report") for target in graph()[name]}
        assert {floor(target) for target in seen} <= {"words", "ground", "reading"}
        assert seen & {"contrast.keyed", "contrast.images"} == set(), "these need torch"

    def test_keeping_reading_and_doors_load_without_heavy_libraries(self) -> None:
        light = [f"contrast.{name}" for name in ("store", "environment", "run_files", "results", "doors", "cli", "__main__")]
        assert using(light, HEAVY, late=False) == {}

    def test_torchvision_is_imported_by_nobody_when_loaded(self) -> None:
        assert using(modules(), {"torchvision"}, late=False) == {}


class TestSafety:
    def test_nothing_is_unpickled(self) -> None:
        assert using(modules(), {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}) == {}
        found = [
            call for name in modules() for call in calls(name, "torch.load", "torch.save", "np.load", "numpy.load", ".read_pickle", ".to_pickle")
        ]
        assert [call.partition(":")[0] for call in found] == ["contrast.weights"]

    def test_the_one_reader_of_torchs_own_files_takes_tensors_alone(self) -> None:
        loads = [node for node in ast.walk(modules()["contrast.weights"]) if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"]
        assert ["weights_only=True" in ast.unparse(node) for node in loads] == [True]

    def test_nothing_is_run_from_text_or_through_a_shell(self) -> None:
        assert using(modules(), {"runpy", "code", "pty"}) == {}
        found = [call for name in modules() for call in calls(name, "eval", "exec", "compile", "input", "os.system", "os.popen")]
        assert found == []

    def test_no_archive_is_unpacked_blindly(self) -> None:
        assert [call for name in modules() for call in calls(name, ".extractall", ".extract", ".unpack_archive")] == []

    def test_no_library_is_asked_for_less_care(self) -> None:
        careless = {("shell", True), ("allow_pickle", True), ("weights_only", False), ("verify", False), ("autoescape", False)}
        found = [
            f"{name}:{node.value.lineno}: {ast.unparse(node)}"
            for name, tree in modules().items()
            for node in ast.walk(tree)
            if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant) and (node.arg, node.value.value) in careless
        ]
        assert found == []

    def test_yaml_is_read_in_one_place_and_as_plain_data(self) -> None:
        assert using(modules(), {"ruamel", "yaml"}) == {"contrast.study_file": {"ruamel"}}
        read = calls("contrast.study_file", ".load", ".load_all", ".parse")
        loaders = {call.partition(": ")[2] for call in read if "YAML" in call}
        assert loaders == {"YAML(typ='safe', pure=True).load(", "YAML(typ='safe', pure=True).parse("}
        assert [call for call in read if "YAML" not in call and "yaml" in call.lower().partition(": ")[2]] == []

    def test_nothing_speaks_to_the_network_and_one_module_answers_on_this_machine(self) -> None:
        assert using(modules(), {"urllib", "requests", "httpx", "socket", "http", "ftplib", "aiohttp", "urllib3"}) == {"contrast.serving": {"http"}}
        assert {i.target for i in of_file("contrast.serving") if i.target.startswith("http")} <= {
            "http.HTTPStatus", "http.server.BaseHTTPRequestHandler", "http.server.ThreadingHTTPServer",
        }  # fmt: skip


def test_no_file_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "lib", "tools", "stuff"}
    assert {name for name in modules() if drawers & set(name.rpartition(".")[2].split("_"))} == set()


@pytest.mark.parametrize(
    "path", sorted([*(ROOT.parents[1] / "bench").glob("*.py"), *(ROOT.parents[1] / "docs").glob("*.py")]), ids=lambda path: path.name
)
def test_scripts_beside_the_package_name_what_is_there(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "contrast"]
    gone = [
        f"{node.module}.{alias.name}"
        for node in named
        for alias in node.names
        if not hasattr(importlib.import_module(node.module or ""), alias.name) and find_spec(f"{node.module}.{alias.name}") is None
    ]
    assert gone == []
