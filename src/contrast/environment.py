"""What a run was carried out with: versions, processor, memory, git commit."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime
from importlib import metadata
from typing import Any

PACKAGES = ("contrast", "torch", "numpy", "pydantic")


def environment(machine: dict[str, Any], data_fingerprint: str) -> dict[str, Any]:
    """Describe this process's surroundings as plain data.

    Args:
        machine: the study's plan for the machine.
        data_fingerprint: of the data that is trained on.
    """
    return {
        **{name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": machine["device_name"],
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None,
        "git": git_commit(),
        "machine": machine,
        "data_fingerprint": data_fingerprint,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def version(package: str) -> str | None:
    """An installed package's version, or None for one that runs from its source folder."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git_commit() -> dict[str, Any] | None:
    """Commit of the working folder, and whether it has changes that were not committed; None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))} if commit else None
    except (OSError, subprocess.TimeoutExpired):  # no git here
        return None


def _git(*words: str) -> str:
    answer = subprocess.run(["git", *words], capture_output=True, text=True, timeout=5, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""
