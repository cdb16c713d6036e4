"""When images were learnt and forgotten: the numbers, the words, and the file that a real training writes."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contrast as ct
from contrast.errors import InputError
from contrast.explain.judged import Judged
from contrast.explain.learning import Learning, learning, sheets, told


def rows_of(right: np.ndarray) -> pd.DataFrame:
    """learning.csv of ``bool [epochs, images]``."""
    packed = [base64.b64encode(np.packbits(row).tobytes()).decode() for row in right]
    return pd.DataFrame({"epoch": np.arange(1, len(right) + 1), "right": packed})


def test_an_image_is_learnt_when_it_stays_right_and_forgotten_each_time_it_is_lost() -> None:
    right = np.array([[1, 0, 0, 1, 0], [1, 1, 0, 0, 0], [1, 1, 0, 1, 0], [1, 1, 1, 0, 0]], dtype=bool)
    found = learning(rows_of(right), 5)
    assert found is not None
    assert found.learnt.tolist() == [1, 2, 4, 0, 0]
    assert found.forgotten.tolist() == [0, 0, 0, 2, 0]
    assert found.latest.tolist() == [2]
    assert found.most_forgotten.tolist() == [3]


@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_learnt_and_forgotten_are_what_a_plain_count_says(epochs: int, images: int, seed: int) -> None:
    right = np.random.default_rng(seed).integers(0, 2, (epochs, images)).astype(bool)
    found = learning(rows_of(right), images)
    assert found is not None
    for at in range(images):
        course = right[:, at].tolist()
        since = next((epoch for epoch in range(1, epochs + 1) if all(course[epoch - 1 :])), 0)
        assert found.learnt[at] == since
        assert found.forgotten[at] == sum(before and not after for before, after in itertools.pairwise(course))


def test_the_finding_counts_what_was_learnt_late_and_forgotten_often() -> None:
    found = Learning(np.array([1, 2, 9, 0]), np.array([0, 3, 1, 2]), 9)
    assert told(found) == (
        "3 of 4 validation images are right after the last epoch, half of them for good from epoch 2 on; "
        "1 were learnt in the last third of the epochs. "
        "2 images were forgotten at least twice."
    )


def test_pictures_name_the_class_and_the_epoch() -> None:
    judged = Judged.live(("a", "b", "c"), np.eye(3))
    found = Learning(np.array([1, 9, 0]), np.array([0, 0, 4]), 9)
    made = sheets(found, judged, ["x", "y", "z"], lambda ids: np.zeros((len(ids), 4, 4, 3), np.uint8))
    said = [tile.caption for sheet in made for tile in sheet.tiles]
    assert [words.split(" · ")[1] for words in said] == ["epoch 9", "4 times"]
    assert sheets(found, judged, ["x", "y", "z"], lambda ids: None) == []


@pytest.mark.parametrize("right", ["?", "AAAA", ""])
def test_a_damaged_file_is_named(right: str) -> None:
    with pytest.raises(InputError, match=r"learning\.csv"):
        learning(pd.DataFrame({"epoch": [1], "right": [right]}), 5)


def test_a_training_keeps_which_validation_images_were_right(tmp_path: Path) -> None:
    data = {"use": "synthetic", "images": 300, "classes": 3, "size": 8, "channels": 1}
    base = ct.Recipe(data=data, model={"use": "mlp", "hidden": [8]}, optimizer={"use": "sgd", "lr": 0.1}, epochs=4, batch_size=20, precision="fp32")
    results = ct.run(ct.Study(question="?", base=base, arms={}, seeds=1), runs=tmp_path / "runs")
    table = results.learning()
    assert table["id"].tolist() == results.images("validation")["id"].tolist()
    last = results.epochs()["validation_accuracy"].iloc[-1]
    assert (table["learnt"] > 0).mean() == pytest.approx(last)
