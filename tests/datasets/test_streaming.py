"""A streamed set is the stored one: same bits, order, fingerprint and policy; only where the pixels come from differs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import contrast as ct
from contrast import Recipe, catalog, streamed
from contrast.datasets.folder import Folder
from contrast.decode import decode
from contrast.engine.batches import Batches, Bound
from contrast.engine.machine import resolve
from contrast.engine.streamed import Streamed, Workers, silent_where_the_other_end_is_gone
from contrast.engine.training import LoadedData, Training, load
from contrast.errors import InputError, RunFailed
from contrast.images import PARTS
from contrast.protocols import Places

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on one core: the point is that their number changes nothing


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Places(folders=(tmp_path / "cache" / "contrast",))


def fill(root: Path, count: int = 20) -> Path:
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(count):
            bright = 90 if name == "cat" else 160
            Image.fromarray(draw.integers(0, bright, (20, 24, 3), np.uint8)).save(root / name / f"{i}.png")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill(tmp_path / "root")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in this process: a worker takes seconds to begin, and does the same."""
    workers(monkeypatch, 0)


def workers(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(Workers, "_number", lambda self: count)


def recipe(root: Path, **more: object) -> Recipe:
    return Recipe(data={"use": "folder", "path": str(root), "size": 16, **more}, model="mlp")


def both(root: Path, **more: object) -> tuple[LoadedData, LoadedData]:
    return tuple(load(recipe(root, stream=stream, **more), Places(), "cpu") for stream in (False, True))


def source(root: Path, **more: object) -> Folder:
    made = catalog.parse("data", {"use": "folder", "path": str(root), "size": 16, "stream": True, **more})
    assert isinstance(made, Folder)
    return made


def epochs(data: LoadedData, count: int = 2, batch_size: int = 7) -> list[torch.Tensor]:
    batches = Batches(data.train, Bound(), batch_size, 3, resolve())
    return [images.clone() for epoch in range(count) for images, _ in batches.of_epoch(epoch)]


@pytest.mark.usefixtures("here")
def test_batches_parts_statistics_and_fingerprint_are_those_of_the_stored_set(root: Path) -> None:
    stored, read = both(root)
    assert isinstance(read.train.pixels, Streamed)
    assert (read.fingerprint, read.split(), read.notes) == (stored.fingerprint, stored.split(), stored.notes)
    assert all(torch.equal(a, b) for a, b in zip(epochs(stored), epochs(read), strict=True))
    for part in PARTS:
        a, b = getattr(stored, part), getattr(read, part)
        assert torch.equal(a.pixels[0 : len(a)], b.pixels[0 : len(b)])
        assert torch.equal(a.pixels[1:500], b.pixels[1:500])
    for a, b in zip(stored.training_images.own_statistics, read.training_images.own_statistics, strict=True):
        assert a.tolist() == b.tolist()


@pytest.mark.usefixtures("here")
def test_an_epoch_taken_up_in_its_middle_and_one_left_there_go_on_rightly(root: Path) -> None:
    stored, read = both(root)
    kept, lazy = (Batches(data.train, Bound(), 5, 0, resolve()) for data in (stored, read))
    next(lazy.of_epoch(0))
    one, other = lazy.of_epoch(1, start=2), lazy.of_epoch(2)
    wanted = list(kept.of_epoch(1, start=2)), list(kept.of_epoch(2))
    for (a, _), (b, _), (c, _), (d, _) in zip(*wanted, one, other, strict=False):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


@pytest.mark.usefixtures("here")
def test_the_middle_of_larger_images_is_cut_out_as_of_stored_ones(root: Path) -> None:
    table = "path,label\n" + "".join(f"{name}/{i}.png,{name}\n" for name in ("cat", "dog") for i in range(20))
    (root / "images.csv").write_text(table)
    both = [
        catalog.parse("data", {"use": "table", "path": str(root / "images.csv"), "size": [12, 10], "shorter_side": 15, "stream": stream}).read(
            Places()
        )
        for stream in (False, True)
    ]
    assert both[1].pixels.shape == (40, 12, 10, 3)
    assert both[0].fingerprint == both[1].fingerprint


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, Streamed]:
    root = fill(tmp_path_factory.mktemp("pair") / "root", 6)
    images = source(root).read(Places())
    return np.array(images.pixels[0 : len(images)]), Streamed(images.pixels, "cpu")


REQUESTS = st.lists(st.tuples(st.sampled_from(["whole", "epoch", "free", "tell"]), st.integers(0, 11), st.integers(1, 12)), max_size=12)


@settings(deadline=None, max_examples=60)
@example([("whole", 0, 2), ("whole", 2, 12)])
@given(REQUESTS)
def test_whatever_is_asked_for_in_whatever_order_the_images_are_the_right_ones(pair: tuple[np.ndarray, Streamed], requests: list) -> None:
    pixels, read = pair
    read.workers.count = 0
    read.workers._size = 4
    order = torch.arange(12)
    for number, (kind, start, count) in enumerate(requests):
        stop = min(12, start + count)
        if kind == "tell":
            order = torch.randperm(12, generator=torch.Generator().manual_seed(number))
            read.expect(order)
        elif kind == "whole":
            assert np.array_equal(read[start:stop].numpy(), pixels[start:stop])
        else:
            chosen = order[start:stop] if kind == "epoch" else order[start:stop].clone()
            assert np.array_equal(read.index_select(0, chosen).numpy(), pixels[chosen.numpy()])


def test_a_second_start_decodes_nothing_until_a_file_changes(root: Path, cache: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    first = source(root).read(cache)
    known, levels = first.fingerprint, first.own_statistics[0].tolist()
    seen = []
    monkeypatch.setattr(streamed, "decode", lambda path, look: seen.append(path) or decode(path, look))
    again = source(root).read(cache)
    assert (again.fingerprint, again.own_statistics[0].tolist(), seen) == (known, levels, [])
    Image.new("RGB", (20, 24)).save(root / "cat" / "3.png")
    changed = source(root).read(cache)
    assert changed.fingerprint != known
    assert len(seen) > 40
    assert sum(path.stat().st_size for path in cache.folders[0].rglob("*") if path.is_file()) < 40_000, "no pixels are kept"


def test_where_nothing_can_be_kept_it_is_told_and_goes_on(root: Path, cache: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("contrast.decoded.write_durably", full)
    images = source(root).read(cache)
    assert "No space left on device" in images.notes[-1]
    assert images.fingerprint == source(root, stream=False).read(Places()).fingerprint


def test_damaged_files_are_told_and_left_out_as_those_of_a_store_are(root: Path) -> None:
    (root / "cat" / "3.png").write_bytes(b"<html>")
    (root / "dog" / "4.png").write_bytes(b"")
    (root / "dog" / "5.png").write_bytes((root / "dog" / "6.png").read_bytes()[:600])
    told = []
    for stream in (False, True):
        with pytest.raises(InputError) as error:
            source(root, stream=stream).read(Places())
        told.append(str(error.value))
    assert told[0] == told[1]
    assert "'cat/3.png' is a web page" in told[0]
    kept = [source(root, stream=stream, damaged="skip").read(Places()) for stream in (False, True)]
    assert kept[0].fingerprint == kept[1].fingerprint
    assert kept[0].notes == kept[1].notes


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: Image.new("RGB", (9, 9)).save(path), "has changed"),
        (lambda path: (path.unlink(), path.mkdir()), "has changed"),
    ],
)
def test_a_file_that_is_not_what_it_was_is_named(root: Path, happens: object, told: str) -> None:
    read = both(root)[1]
    path = root / read.train.ids[0]
    happens(path)  # type: ignore[operator]
    with pytest.raises(RunFailed, match=told) as error:
        epochs(read)
    assert str(error.value).startswith(f"{path}: ")
    assert "run the same command again" in str(error.value)


def test_content_in_memory_is_decoded_as_the_file_is(root: Path) -> None:
    path = root / "cat" / "0.png"
    look = streamed.Look(10, 10)
    assert np.array_equal(decode(BytesIO(path.read_bytes()), look), decode(path, look))


def study(root: Path, **more: object) -> ct.Study:
    base = {
        "data": {"use": "folder", "path": str(root), "size": 16, **more},
        "augment": [{"use": "flip"}, {"use": "crop", "padding": 2}],
        "model": {"use": "convnet", "channels": [4], "norm": "batch"},
        "optimizer": {"use": "sgd", "lr": 0.05},
        "epochs": 3,
        "batch_size": 7,
    }
    return ct.Study(question="Does it matter where the pixels come from?", base=base, seeds=1)


def outcome(runs: Path) -> dict[str, str]:
    """SHA-256 of every file of the only run that must not differ; the steps and epochs without their times."""
    (folder,) = (path.parent for path in runs.glob("*/summary.json"))
    made = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("best.safetensors", "last.safetensors", "test.parquet")}
    rows = [",".join(line.split(",")[:6]) for line in (folder / "epochs.csv").read_text().splitlines()]
    return {**made, "steps": (folder / "steps.csv").read_text(), "epochs": "\n".join(rows)}


@pytest.mark.slow
def test_a_run_is_the_same_from_a_store_and_with_any_number_of_workers(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ct.run(study(root), runs=tmp_path / "stored")
    for count in (1, 3):
        workers(monkeypatch, count)
        ct.run(study(root, stream=True), runs=tmp_path / f"streamed {count}")
        assert outcome(tmp_path / f"streamed {count}") == outcome(tmp_path / "stored")


@pytest.mark.slow
def test_a_file_that_vanishes_fails_the_run_by_name_and_the_same_command_goes_on(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, runs, path = tmp_path / "whole", tmp_path / "runs", root / "cat" / "7.png"
    workers(monkeypatch, 2)
    ct.run(study(root, stream=True), runs=whole)
    aside = tmp_path / "aside.png"
    once_validated(monkeypatch, lambda: path.rename(aside))
    with pytest.raises(RunFailed, match="No such file or directory") as error:
        ct.run(study(root, stream=True), runs=runs)
    assert str(path) in str(error.value)
    aside.rename(path)
    ct.run(study(root, stream=True), runs=runs)
    assert outcome(runs) == outcome(whole)


def once_validated(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something after the first epoch."""
    validate, waiting = Training.validate, [act]

    def then(self: Training) -> None:
        validate(self)
        if waiting:
            waiting.pop()()

    monkeypatch.setattr(Training, "validate", then)


@pytest.mark.slow
def test_a_worker_that_is_killed_fails_the_run_in_one_line_and_the_same_command_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, runs = tmp_path / "whole", tmp_path / "runs"
    workers(monkeypatch, 2)
    ct.run(study(root, stream=True), runs=whole)
    began: list[int] = []
    start = Workers._begin

    def noted(self: Workers, *args: Any, **more: Any) -> None:
        start(self, *args, **more)
        began[:] = [worker.pid for worker in self._chunks._workers]

    monkeypatch.setattr(Workers, "_begin", noted)
    once_validated(monkeypatch, lambda: [os.kill(pid, signal.SIGKILL) for pid in began])
    with pytest.raises(RunFailed, match="a worker process died") as error:
        ct.run(study(root, stream=True), runs=runs)
    assert str(root) in str(error.value)
    ct.run(study(root, stream=True), runs=runs)
    assert outcome(runs) == outcome(whole)


LONG = """
question: Is it resumable?
base:
  data: {{use: folder, path: {root}, size: 16, stream: true}}
  model: {{use: convnet, channels: [16, 16]}}
  optimizer: {{use: sgd, lr: 0.01}}
  epochs: 400
  batch_size: 16
seeds: 2
"""


def family(number: int) -> list[int]:
    """The processes of a session that are still there, by what the system tells."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == number and state != "Z":
                found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    ("executor", "number"),
    [("inline", signal.SIGINT), ("inline", signal.SIGTERM), ("inline", signal.SIGKILL), ("local", signal.SIGINT), ("local", signal.SIGTERM)],
)
def test_no_worker_outlives_a_run_that_is_ended(root: Path, tmp_path: Path, number: signal.Signals, executor: str) -> None:
    (tmp_path / "long.yaml").write_text(LONG.format(root=root))
    words = [sys.executable, "-m", "contrast", "run", str(tmp_path / "long.yaml"), "--runs", str(tmp_path / "runs"), "--executor", executor]
    begun = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heeding_ctrl_c)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs").glob("*/checkpoint/*.safetensors")):
        assert begun.poll() is None, begun.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(family(begun.pid)) > 2
    if number == signal.SIGINT:
        os.killpg(begun.pid, number)  # as a terminal does
    else:
        begun.send_signal(number)
    told = begun.communicate(timeout=60)[1]
    assert begun.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    assert number == signal.SIGKILL or told.startswith("contrast: "), told
    assert "Traceback" not in told
    deadline = time.monotonic() + 20
    while left := family(begun.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def heeding_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_worker_is_silent_only_where_the_run_that_it_decodes_for_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    for gone in (ConnectionResetError(), BrokenPipeError(), EOFError()):
        silent_where_the_other_end_is_gone(type(gone), gone, None)
    assert capsys.readouterr().err == ""
    silent_where_the_other_end_is_gone(OSError, OSError("disk full"), None)
    assert "disk full" in capsys.readouterr().err


@pytest.mark.slow
def test_runs_side_by_side_have_workers_of_their_own(root: Path, tmp_path: Path) -> None:
    ct.run(study(root), runs=tmp_path / "stored")
    ct.run(study(root, stream=True), runs=tmp_path / "streamed", executor="local", workers=2)
    assert outcome(tmp_path / "streamed") == outcome(tmp_path / "stored")
