"""contrast: controlled experiments on image classifiers.

Names resolve on first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contrast.compare import Comparison as Comparison
    from contrast.errors import ContrastError as ContrastError
    from contrast.errors import InputError as InputError
    from contrast.errors import RunFailed as RunFailed
    from contrast.recipe import Recipe as Recipe
    from contrast.results import Results as Results
    from contrast.results import load as load
    from contrast.doors import run as run
    from contrast.study import Arm as Arm
    from contrast.study import Study as Study

__version__ = "0.1.0"

_HOMES = {
    "Arm": "study",
    "Comparison": "compare",
    "ContrastError": "errors",
    "InputError": "errors",
    "Recipe": "recipe",
    "Results": "results",
    "RunFailed": "errors",
    "Study": "study",
    "load": "results",
    "run": "doors",
}
__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 (names resolve below)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'contrast' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"contrast.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
