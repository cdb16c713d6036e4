"""What `contrast doctor` prints: what this machine offers, which data is found, and how to get what is missing."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from contrast import catalog
from contrast.errors import ContrastError
from contrast.protocols import Places

if TYPE_CHECKING:
    from rich.console import Console

PACKAGES = ("torch", "numpy", "pandas", "altair", "vl-convert-python")


def render(data: Path | None, console: Console) -> None:
    """Print the findings, one line each."""
    from rich.text import Text

    for name, finding in [*_machine(), *_packages(), *_places(data), *_data(data)]:
        console.print(Text.assemble((f"{name:<16}", "cyan"), finding))


def _machine() -> list[tuple[str, str]]:
    from contrast.engine.machine import resolve

    machine = resolve()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return [
        ("device", f"{machine.device} ({machine.device_name}, {machine.instruction_set})"),
        ("precision", f"{machine.precision}, {machine.memory_format.replace('_', ' ')}"),
        ("threads", str(machine.threads)),
        ("memory", f"{memory:.0f} GB"),
        ("repeats", "bit for bit" if machine.deterministic else "bit for bit with deterministic: true"),
    ]


def _packages() -> list[tuple[str, str]]:
    from contrast import __version__

    found = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return [("contrast", __version__), ("python", platform.python_version()), ("packages", found)]


def _places(data: Path | None) -> list[tuple[str, str]]:
    return [("data folder", f"{folder}{'' if folder.is_dir() else ' (not there)'}") for folder in Places.usual(data).folders]


def _data(data: Path | None) -> list[tuple[str, str]]:
    found = []
    for name in catalog.names("data"):
        settings = catalog.ingredient("data", name)
        if any(field.is_required() for field in settings.model_fields.values()):
            continue  # a folder of one's own: there is nothing to look for
        try:
            images = settings().read(Places.usual(data).model_copy(update={"offline": True}))  # type: ignore[attr-defined]
            found.append((name, f"found: {len(images):,} images of {'×'.join(map(str, images.shape))}, {len(images.classes)} classes"))
        except ContrastError as error:
            found.append((name, str(error)))
    return found
