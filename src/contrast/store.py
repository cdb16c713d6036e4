"""Every path of a study's folder, and every durable write.

Files are the truth. A run is finished exactly when its `summary.json` stands; that file is written last.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

LOCK, STUDY, REPORT, SPLITS = "study.lock", "study.yaml", "report.html", "splits"


def write_durably(path: Path, content: bytes | str) -> None:
    """Write a whole file or nothing: temporary file → fsync → rename → fsync of the folder.

    Raises:
        OSError: the disk is full or not writable; what stood there before still stands.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)  # noqa: PTH105 (tests stop a process here)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def to_json(content: Mapping[str, Any]) -> str:
    """JSON for a file: readable, and strict (a number that is not finite is an error, not `NaN`)."""
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


class Rows:
    """A CSV file to which whole lines are appended.

    Args:
        path: the file.
        columns: its header.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, list(columns)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows in one write; the header comes before the first."""
        if not rows:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        if not self.path.exists() or self.path.stat().st_size == 0:
            writer.writeheader()
        writer.writerows(rows)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(text.getvalue())

    def cut(self, column: str, last: int) -> bool:
        """Drop the rows whose `column` is beyond `last`, and a torn last line.

        Returns:
            Whether the last line was torn.
        """
        if not self.path.exists():
            return False
        text = self.path.read_text(encoding="utf-8", errors="replace")
        whole, _, torn = text.rpartition("\n")
        if not whole:
            self.path.unlink()
            return bool(torn)
        header, *lines = whole.split("\n")
        where = header.split(",").index(column)
        kept = [line for line in lines if int(line.split(",")[where]) <= last]
        write_durably(self.path, "\n".join([header, *kept]) + "\n")
        return bool(torn)

    def sync(self) -> None:
        """Wait until the rows are on the disk."""
        if self.path.exists():
            with self.path.open("a") as stream:
                os.fsync(stream.fileno())


class RunFolder:
    """One run's folder: its paths and its state."""

    STEPS = ("step", "epoch", "loss", "accuracy", "lr")
    EPOCHS = (
        "epoch",
        "step",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "lr",
        "seconds",
        "images_per_second",
    )

    LEARNING = ("epoch", "right")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps = Rows(path / "steps.csv", self.STEPS)
        self.epochs = Rows(path / "epochs.csv", self.EPOCHS)
        self.learning = Rows(path / "learning.csv", self.LEARNING)

    @property
    def summary_path(self) -> Path:
        return self.path / "summary.json"

    @property
    def failure_path(self) -> Path:
        return self.path / "failure.json"

    @property
    def checkpoint_folder(self) -> Path:
        return self.path / "checkpoint"

    @property
    def finished(self) -> bool:
        """Whether the run is finished: its summary stands."""
        return self.summary_path.exists()

    @property
    def pruned(self) -> bool:
        """Whether the run was given up: it is finished only as long as its study prunes it."""
        return self.finished and self.summary()["status"] == "pruned"

    @property
    def running(self) -> bool:
        """Whether a living process owns the run."""
        if not (self.path / "owner.lock").exists():
            return False
        try:
            with FileLock(self.path / "owner.lock", timeout=0):
                return False
        except Timeout:
            return True

    def status(self) -> str:
        """``finished``, ``diverged``, ``pruned``, ``running``, ``failed``, ``interrupted`` or ``planned``."""
        if self.finished:
            return str(self.summary()["status"])
        if self.running:
            return "running"
        if self.failure_path.exists():
            return "failed"
        return "interrupted" if any(self.checkpoint_folder.glob("*.safetensors")) else "planned"

    def summary(self) -> dict[str, Any]:
        """The summary of a finished run."""
        return json.loads(self.summary_path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def owned(self) -> Iterator[bool]:
        """Own the run while the block runs; yields False where another living process does. Dies with the process.

        It asks for a moment, since `running` holds the lock for an instant to look.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / "owner.lock", timeout=0.5)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def write(self, name: str, content: bytes | str) -> None:
        """Write one of the run's files durably."""
        write_durably(self.path / name, content)

    def newest_checkpoint(self) -> Path | None:
        """The checkpoint to go on from; what an interrupted write left behind is no checkpoint."""
        found = sorted(self.checkpoint_folder.glob("[0-9]*.safetensors"))
        return found[-1] if found else None

    @property
    def epochs_kept(self) -> int:
        """Epochs that the newest checkpoint has finished; 0 without one."""
        newest = self.newest_checkpoint()
        return int(newest.stem.rpartition("-")[2]) if newest is not None else 0

    def best_checkpoint(self, epoch: int) -> Path:
        """Where the best epoch's weights lie while the run is unfinished."""
        return self.checkpoint_folder / f"best-{epoch:06d}.safetensors"

    def keep_best(self, epoch: int, content: bytes) -> None:
        """Write the weights of a new best epoch beside those that the standing checkpoint still names."""
        write_durably(self.best_checkpoint(epoch), content)

    def keep_checkpoint(self, step: int, epoch: int, content: bytes, best: int | None) -> None:
        """Write a checkpoint after the rows that it counts on, then prune what it does not need.

        Args:
            step: optimizer steps done.
            epoch: epochs finished (the same step stands before and after an epoch's evaluation).
            content: the checkpoint.
            best: the best epoch so far.
        """
        self._sync()
        newest = self.checkpoint_folder / f"{step:012d}-{epoch:06d}.safetensors"
        write_durably(newest, content)
        needed = {newest} if best is None else {newest, self.best_checkpoint(best)}
        for path in self.checkpoint_folder.iterdir():
            if path not in needed:
                path.unlink()

    def start_anew(self) -> None:
        """Remove what a run without a checkpoint left behind."""
        for path in (self.steps.path, self.epochs.path, self.learning.path, *self.checkpoint_folder.glob("best-*")):
            path.unlink(missing_ok=True)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the summary, last of all; then drop the checkpoint and an old failure."""
        self._sync()
        write_durably(self.summary_path, to_json(summary))
        self.tidy()

    def reopen(self) -> None:
        """Take the summary of a pruned run away, so that the run is begun anew."""
        self.summary_path.unlink()
        sync_folder(self.path)

    def _sync(self) -> None:
        for rows in (self.steps, self.epochs, self.learning):
            rows.sync()

    def tidy(self) -> None:
        """Drop what only an unfinished run needs; also after a kill between summary and clean-up."""
        self.failure_path.unlink(missing_ok=True)
        if self.checkpoint_folder.exists():
            shutil.rmtree(self.checkpoint_folder)

    def fail(self, cause: str, traceback: str) -> None:
        """Keep why the run failed."""
        when = datetime.now().astimezone().isoformat(timespec="seconds")
        write_durably(self.failure_path, to_json({"cause": cause, "when": when, "traceback": traceback}))


class StudyFolder:
    """One study's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def lock_path(self) -> Path:
        return self.path / LOCK

    def lock(self) -> dict[str, Any] | None:
        """What was resolved when the study was first planned, or None for a new folder."""
        return json.loads(self.lock_path.read_text(encoding="utf-8")) if self.lock_path.exists() else None

    @contextlib.contextmanager
    def planning(self) -> Iterator[None]:
        """Keep two processes from planning one study at the same time."""
        self.path.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / ".planning.lock"):
            yield

    def run(self, name: str) -> RunFolder:
        return RunFolder(self.path / name)

    def split_path(self, key: str) -> Path:
        return self.path / SPLITS / f"{key[:16]}.json"

    def set_aside(self, when: str) -> Path:
        """Move all runs and the lock into a folder of their own; nothing is deleted."""
        aside = self.path / f"aside-{when}"
        aside.mkdir()
        for path in self.path.iterdir():
            if path != aside and not path.name.startswith(("aside-", ".")):
                path.rename(aside / path.name)
        return aside
