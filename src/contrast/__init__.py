"""contrast: controlled experiments on image classifiers.

Names resolve on first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Arm": "planned",
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
