"""The folder is the registry: `use: resnet` is the file `models/resnet.py`, `use: "mylab.nets:Wide"` is anyone's code.

Nothing registers itself. Names are read from the folders, one-line descriptions from the files' docstrings, so that
`contrast list` needs neither torch nor an import.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, PrivateAttr, ValidationError

from contrast import faults
from contrast.errors import InputError, nearest
from contrast.protocols import (
    AugmentIngredient,
    AveragingIngredient,
    DataIngredient,
    Ingredient,
    LoopIngredient,
    LossIngredient,
    ModelIngredient,
    OptimizerIngredient,
    ScheduleIngredient,
    added,
)

if TYPE_CHECKING:
    from torch import nn

PACKAGE = Path(__file__).parent
FOLDERS = {
    "data": "datasets",
    "model": "models",
    "augment": "augment",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "loss": "losses",
    "averaging": "averaging",
    "loop": "loops",
    "figure": "figures",
    "executor": "executors",
    "logger": "loggers",
}
"""Kind of thing → the folder whose files are its members."""

PROMISES: Mapping[str, type[Ingredient]] = {
    "data": DataIngredient,
    "model": ModelIngredient,
    "augment": AugmentIngredient,
    "optimizer": OptimizerIngredient,
    "schedule": ScheduleIngredient,
    "loss": LossIngredient,
    "averaging": AveragingIngredient,
    "loop": LoopIngredient,
}
"""What an ingredient of a recipe must be, by kind."""

OUTSIDE = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")


def names(kind: str) -> list[str]:
    """The names of a kind's files, sorted."""
    folder = PACKAGE / FOLDERS[kind]
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def listing(kind: str) -> dict[str, str]:
    """Name → first line of the file's docstring, read without importing the file."""
    folder = PACKAGE / FOLDERS[kind]
    found = {}
    for name in names(kind):
        docstring = ast.get_docstring(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))) or ""
        found[name] = docstring.partition("\n")[0]
    return found


def file(kind: str, name: str) -> ModuleType:
    """One of the package's own files, imported.

    Raises:
        InputError: there is no file of that name; says which there are.
    """
    if name not in names(kind):
        raise InputError(f"there is no {kind} {name!r}", right=nearest(name, names(kind)))
    return importlib.import_module(f"contrast.{FOLDERS[kind]}.{name}")


@cache
def ingredient(kind: str, name: str) -> type[Ingredient]:
    """The config class of one of the package's own ingredients.

    Raises:
        InputError: there is no file of that name; says which there are.
    """
    module = file(kind, name)
    classes = [c for c in vars(module).values() if _is_config(c) and c.__module__ == module.__name__]
    if len(classes) != 1:
        raise TypeError(f"{module.__name__} must define exactly one public Ingredient, it defines {len(classes)}")
    return classes[0]  # type: ignore[no-any-return]


def _is_config(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, Ingredient) and not thing.__name__.startswith("_")


def check_writable(settings: Mapping[str, Any]) -> None:
    """Refuse keyword arguments of outside code that no study file can hold.

    Raises:
        InputError: they hold something else than plain data.
    """
    try:
        json.dumps(dict(settings), allow_nan=False)
    except (TypeError, ValueError) as error:
        plain = "give text, finite numbers, true, false, null, lists and mappings"
        raise InputError(f"its settings can't be written to a file: {error}", right=plain) from None


class OutsideModel(ModelIngredient):
    """A factory of networks that lies outside the package; its settings are the factory's keyword arguments."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    weights: Any = added("none", absent="none", description="weights to start from; handed to the factory where it has a parameter of this name")
    foreign: ClassVar[bool] = True

    _target: str = PrivateAttr()
    _factory: Callable[..., nn.Module] = PrivateAttr()

    @classmethod
    def of(cls, target: str, factory: Callable[..., nn.Module], settings: Mapping[str, Any]) -> OutsideModel:
        check_writable(settings)
        made = cls(**settings)
        made._target, made._factory = target, factory
        return made

    @property
    def use(self) -> str:
        return self._target

    def build(self, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Call the factory; `shape` and `classes` are handed over where it has parameters of these names."""
        accepted = inspect.signature(self._factory).parameters
        offered: dict[str, Any] = {"shape": shape, "classes": classes}
        if self.takes_weights and "weights" in self.model_fields_set:
            offered["weights"] = self.weights
        return self._factory(**{k: v for k, v in offered.items() if k in accepted}, **(self.model_extra or {}))

    @property
    def takes_weights(self) -> bool:
        """Whether `weights` is the factory's own business."""
        return "weights" in inspect.signature(self._factory).parameters

    def initialize(self, model: nn.Module, seed: int) -> None:
        """Leave the values that the factory gave, which ran under a seed derived from the run's, but for what `initial` asks for."""
        self.redraw(model, seed)


LIVE = "live/"
"""Begins the name of what was handed over as an object, from Python."""

_LIVE_CLASSES = {"model": ("torch.nn.modules.module", "Module"), "data": ("torch.utils.data.dataset", "Dataset")}
"""Module and name of the class whose objects can be handed over, by kind; written out, so that torch need not be imported to look."""


def is_live(name: str) -> bool:
    """Whether a name stands for an object that was handed over from Python."""
    return name.startswith(LIVE)


def gone(name: str) -> InputError:
    """The error for an object of another process."""
    right = "give an importable factory as module:function, which can be run from anywhere"
    return InputError(f"{name!r} was an object in another Python session", right=right)


def _is_object_of(kind: str, value: Any) -> bool:
    return kind in _LIVE_CLASSES and any((base.__module__, base.__qualname__) == _LIVE_CLASSES[kind] for base in type(value).__mro__)


def is_outside(name: str) -> bool:
    """Whether a name has the form ``module:attribute``, which stands for code outside the package."""
    return bool(OUTSIDE.match(name))


def outside(target: str) -> Any:
    """Import ``module:attribute``.

    Raises:
        InputError: the module or the attribute does not exist, or the module can't be imported.
    """
    module_name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(f"there is no module {error.name!r} to take {target!r} from", right="is its folder on the Python path?") from error
    except Exception as error:  # whatever the module does when it is imported
        raise InputError(f"{target!r} can't be imported: {type(error).__name__}: {error}", right="mend the module") from error
    if not hasattr(module, attribute):
        raise InputError(f"module {module_name!r} has no {attribute!r}", right=nearest(attribute, [name for name in vars(module) if name[0] != "_"]))
    return getattr(module, attribute)


def source_hash(target: str) -> str:
    """SHA-256 of the source file that ``module:attribute`` is defined in; part of a recipe's id.

    Raises:
        InputError: it has no source file.
    """
    module = inspect.getmodule(outside(target)) or importlib.import_module(target.partition(":")[0])
    try:
        path = inspect.getsourcefile(module)
    except TypeError:  # built into Python
        path = None
    if path is None:
        raise InputError(f"{target!r} has no source file", right="name code that lies in a .py file")
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def written_out(value: Mapping[str, Any]) -> dict[str, Any]:
    """``{use: torchvision/resnet18}`` as ``{use: torchvision, name: resnet18}``: a name with a slash is a file and its `name`."""
    use = value.get("use")
    if not isinstance(use, str) or "/" not in use or ":" in use or is_live(use):
        return dict(value)
    file_name, _, name = use.partition("/")
    return {"use": file_name, "name": name, **{key: item for key, item in value.items() if key != "use"}}


def parse(kind: str, value: Any, *, trust: bool = True) -> Ingredient:
    """Make an ingredient from what a study says: a name, a mapping with `use`, or the ingredient itself.

    Args:
        kind: a key of `FOLDERS`.
        value: ``"adam"``, ``{"use": "adam", "lr": 0.01}`` or an `Ingredient`.
        trust: whether code outside the package may be imported.

    Raises:
        InputError: no such ingredient, a setting is wrong, or outside code without trust.
    """
    if isinstance(value, PROMISES.get(kind, Ingredient)):
        return value
    if _is_object_of(kind, value):
        return importlib.import_module(f"contrast.{FOLDERS[kind]}._live").of(value)  # type: ignore[no-any-return]
    if isinstance(value, str):
        value = {"use": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("use"), str):
        raise InputError(f"this names no {kind}", right=f"write {{use: NAME, …}}; {nearest('', names(kind))}")
    value = written_out(value)
    settings = {str(key): item for key, item in value.items() if key != "use"}
    if is_live(value["use"]) and kind in _LIVE_CLASSES:
        return _made_live(kind, value["use"].removeprefix(LIVE), settings)
    if not is_outside(value["use"]):
        return _made(ingredient(kind, value["use"]), settings)
    if not trust:
        raise InputError(f"{kind} {value['use']!r} is code from outside the package and would be run", right="add --trust-code if you trust it")
    return _made_outside(kind, value["use"], settings)


def _made_by_factory(kind: str, name: str, factory: Callable[..., Any], settings: Mapping[str, Any]) -> Ingredient:
    """A factory as an ingredient, as the folder of its kind says in ``_outside.py``."""
    adapter = importlib.import_module(f"contrast.{FOLDERS[kind]}._outside")
    try:
        return adapter.FROM_FACTORY(name, factory, settings)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise faults.told(error, PROMISES[kind]) from None


def _made_live(kind: str, name: str, settings: Mapping[str, Any]) -> Ingredient:
    try:
        return importlib.import_module(f"contrast.{FOLDERS[kind]}._live").named(name, dict(settings))  # type: ignore[no-any-return]
    except ValidationError as error:
        raise faults.told(error, PROMISES[kind]) from None


def _made(config: type[Ingredient], settings: Mapping[str, Any]) -> Ingredient:
    try:
        return config.model_validate(settings)
    except ValidationError as error:
        raise faults.told(error, config) from None


def _made_outside(kind: str, name: str, settings: Mapping[str, Any]) -> Ingredient:
    target, promise = outside(name), PROMISES.get(kind, Ingredient)
    source_hash(name)
    if isinstance(target, type) and issubclass(target, promise) and not inspect.isabstract(target):
        return _made(target, settings)
    if kind == "model" and callable(target) and not _is_config(target):
        return OutsideModel.of(name, target, settings)
    if kind == "data" and callable(target) and not _is_config(target):
        return _made_by_factory(kind, name, target, settings)
    raise InputError(f"{name!r} is not usable as {kind}", right=f"name a subclass of {promise.__module__}.{promise.__qualname__}")
