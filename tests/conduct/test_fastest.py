"""The fastest executor is found by trying; what a run gives does not depend on the trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from contrast import Study, catalog
from contrast.doors import Doing, carry_out
from contrast.errors import InputError, RunFailed
from contrast.fastest import Tried, chosen, fastest
from contrast.orders import ExecutorIngredient
from contrast.protocols import Places
from contrast.store import StudyFolder

BASE: dict[str, Any] = {"data": {"use": "mnist5k", "train": 0.02}, "model": {"use": "convnet", "channels": [4]}, "batch_size": 8, "steps": 12}


def asked(**more: Any) -> Study:
    return Study(name="tried", question="Which way is fastest?", base=BASE, arms={"slower": {"optimizer.lr": 0.01}}, **{"seeds": 2, **more})


def executor(name: str, **settings: Any) -> Any:
    return catalog.parse("executor", {"use": name, **settings})


INLINE, LOCAL, STACKED = executor("inline"), executor("local", workers=2), executor("stacked", workers=4)


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ({INLINE: 100.0, LOCAL: 150.0, STACKED: 120.0}, LOCAL),
        ({INLINE: 100.0, LOCAL: 105.0}, INLINE),
        ({INLINE: 100.0, LOCAL: None}, INLINE),
        ({INLINE: None, LOCAL: 10.0}, LOCAL),
    ],
    ids=["the fastest", "one by one where the gain may be chance", "never one that failed", "the one that works"],
)
def test_what_is_chosen(speeds: dict[ExecutorIngredient, float | None], expected: ExecutorIngredient) -> None:
    assert chosen([Tried(way, speed) for way, speed in speeds.items()]) == expected


def test_where_nothing_works_the_reasons_are_told() -> None:
    with pytest.raises(RunFailed, match="local with 2 runs at a time failed: no memory"):
        chosen([Tried(INLINE, None, "failed: no memory"), Tried(LOCAL, None, "failed: no memory")])


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests keep to one core each; the ways of two are tried all the same."""
    monkeypatch.setattr("contrast.fastest.cores", lambda: 2)
    monkeypatch.setattr("contrast.prepare.cores", lambda: 2)


@pytest.mark.slow
@pytest.mark.usefixtures("two_cores")
def test_each_way_that_fits_is_tried_and_nothing_is_written_to_the_study(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    way, tries = fastest(asked().plan(), StudyFolder(folder), Places.usual(None))
    assert [tried.executor for tried in tries][:2] == [INLINE, LOCAL]
    assert all(tried.images_per_second for tried in tries), [str(tried) for tried in tries]
    assert way in [tried.executor for tried in tries]
    assert not folder.exists()


def test_a_study_that_was_begun_keeps_its_threads(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contrast.prepare.cores", lambda: 1)
    carry_out(asked(seeds=1), Doing.of(asked(seeds=1), runs=tmp_path, level="quiet"))
    monkeypatch.setattr("contrast.fastest.cores", lambda: 2)
    assert Doing.of(asked(seeds=3), runs=tmp_path, executor="fastest").executor == LOCAL
    assert "executor: local with 2 runs at a time; tried: nothing" in capsys.readouterr().err


@pytest.mark.usefixtures("two_cores")
def test_a_study_with_nothing_left_is_not_tried(tmp_path: Path) -> None:
    carry_out(asked(), Doing.of(asked(), runs=tmp_path, level="quiet"))
    assert fastest(asked().plan(), StudyFolder(tmp_path), Places.usual(None))[1] == []


@pytest.mark.usefixtures("two_cores")
def test_a_way_that_can_not_take_the_study_says_why(tmp_path: Path) -> None:
    class Made(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(784, 10)

        def forward(self, x: Any) -> Any:
            return self.head(x.flatten(1))

    study = Study(name="live", question="Which way?", base={**BASE, "model": Made()}, arms={"slower": {"optimizer.lr": 0.01}}, seeds=2)
    way, tries = fastest(study.plan(), StudyFolder(tmp_path / "runs"), Places.usual(None))
    assert way == INLINE
    assert all("object of this process" in tried.reason for tried in tries[1:])


def test_workers_are_not_said_where_they_are_to_be_found() -> None:
    with pytest.raises(InputError, match="--workers"):
        Doing.of(asked(), executor="fastest", workers=2)
