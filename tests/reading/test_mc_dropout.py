"""Dropout at test time comes out of a study as one table; a scaled or searched learning rate is told with the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import contrast as ct

BASE: dict[str, Any] = {
    "data": {"use": "synthetic", "images": 100, "size": 8},
    "model": {"use": "mlp", "hidden": [8], "dropout": 0.5},
    "optimizer": {"use": "sgd", "lr": 0.1, "scale_with_batch": {"rule": "linear", "of": 40}},
    "epochs": 1,
    "batch_size": 20,
}


def test_each_scheme_and_number_of_masks_of_every_run_is_a_row(tmp_path: Path) -> None:
    asked = {**BASE, "evaluate": {"mc_dropout": {"masks": [1, 4], "repeats": 2}}}
    results = ct.run(ct.Study(base=asked, arms={"plain": {"evaluate": None}}, seeds=2), runs=tmp_path)
    rows = results.mc_dropout()
    assert set(rows["arm"]) == {"baseline"}
    counted = rows.groupby(["seed", "part", "scheme", "masks"]).size()
    assert counted[0, "test", "scaling", 0] == 1
    assert counted[1, "validation", "probabilities", 4] == 2  # repeats
    plain = rows[(rows["scheme"] == "scaling") & (rows["part"] == "test")].set_index("seed")["accuracy"]
    summaries = results.runs().query("arm == 'baseline'").set_index("seed")["test_accuracy"]
    assert plain.to_dict() == summaries.to_dict()


def test_the_plan_tells_the_rate_that_a_batch_size_makes(tmp_path: Path) -> None:
    results = ct.run(ct.Study(base=BASE), runs=tmp_path)
    assert "The learning rate 0.1 is for batches of 40; batches of 20 train at 0.05." in results.lock["remarks"]
    assert set(results.steps()["lr"]) == {0.05}
