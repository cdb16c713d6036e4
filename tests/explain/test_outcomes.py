"""The numbers behind what a run said: confusion, calibration, behavior between arms, mistakes, how training went."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contrast.compare import expected_calibration_error
from contrast.errors import InputError
from contrast.explain import behavior, confusion, diagnosis, mistakes, probabilities, reliability
from contrast.explain.judged import Judged


def judged(labels: list[int], shares: list[list[float]]) -> Judged:
    made = Judged.live(tuple(f"test/{at}" for at in range(len(labels))), np.array(shares))
    return Judged(made.ids, np.array(labels), made.predictions, made.top_classes, made.top_probabilities, made.probabilities)


THREE = judged([0, 0, 1, 2, 2], [[0.9, 0.1, 0], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0, 0.8, 0.2], [0, 0.99, 0.01]])


class TestConfusion:
    def test_counts_rates_and_pairs(self) -> None:
        counts = confusion.matrix(THREE, 3)
        assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 2, 0]]
        assert confusion.rates(counts)[2].tolist() == [0, 1, 0]
        assert confusion.most_confused(counts) == [confusion.Pair(2, 1, 2, 1.0), confusion.Pair(0, 1, 1, 0.5)]
        data = confusion.prepare(counts, ["a", "b", "a"])
        assert list(dict.fromkeys(data["true"])) == ["a", "b", "a #2"]
        assert data["images"].sum() == 5

    def test_a_label_outside_the_classes_is_an_error(self) -> None:
        with pytest.raises(ValueError, match=r"0\.\.1"):
            confusion.matrix(THREE, 2)

    def test_blocks_of_a_thousand_classes_are_found_and_drawn_beside_each_other(self) -> None:
        counts = np.diag(np.full(1000, 50))
        groups = [[3, 500, 999], [10, 20]]
        for group in groups:
            for true in group:
                for predicted in group:
                    counts[true, predicted] = 20
        assert confusion.blocks(counts) == groups
        arranged = confusion.order(counts)
        assert sorted(arranged) == list(range(1000))
        for group in groups:
            places = sorted(arranged.index(at) for at in group)
            assert places[-1] - places[0] == len(group) - 1
        picture = confusion.raster(counts, arranged)
        assert picture.shape == (1000, 1000, 3)

    def test_classes_stand_worst_first_and_those_without_images_are_left_out(self) -> None:
        table = confusion.class_table(THREE, ["a", "b", "c", "d"])
        assert table["class"].tolist() == ["c", "a", "b"]
        assert table["accuracy"].tolist() == [0, 50, 100]
        assert (table["low"] <= table["accuracy"]).all()


class TestCalibration:
    def test_a_temperature_mends_a_network_that_is_too_sure(self) -> None:
        draw = np.random.default_rng(0)
        logits = draw.normal(0, 1.5, (4000, 5))
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        labels = [int(draw.choice(5, p=row)) for row in shares]
        sure = np.exp(3 * logits) / np.exp(3 * logits).sum(1, keepdims=True)
        validation, test = judged(labels[:2000], sure[:2000].tolist()), judged(labels[2000:], sure[2000:].tolist())
        found = reliability.fit(validation, test)
        assert found is not None
        assert found.value == pytest.approx(3, rel=0.05)
        assert found.before > 0.2
        assert found.after < 0.04
        data = reliability.prepare(test)
        assert reliability.error_of(data) == pytest.approx(expected_calibration_error(test.confidence, test.right))
        assert data["images"].sum() == 2000

    def test_without_all_probabilities_there_is_no_temperature(self) -> None:
        few = Judged(THREE.ids, THREE.labels, THREE.predictions, THREE.top_classes, THREE.top_probabilities, None)
        assert reliability.fit(few, few) is None
        assert reliability.two_classes(THREE) is None
        none = Judged(THREE.ids, THREE.labels, THREE.predictions, None, None, None)
        assert reliability.prepare(none).empty

    def test_two_classes_have_curves(self) -> None:
        two = judged([0, 0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]])
        found = reliability.two_classes(two)
        assert found is not None
        assert found.roc_area == 0.75
        assert found.average_precision == pytest.approx(0.5 + 0.5 * 2 / 3)
        assert found.positives == 0.5
        assert set(found.curves["curve"]) == {"roc", "pr"}


class TestBehavior:
    LABELS = np.zeros(6, np.int64)
    RUNS = {
        "base": {0: np.array([0, 1, 1, 0, 2, 1]), 1: np.array([0, 1, 1, 0, 2, 0])},
        "arm": {0: np.array([0, 0, 2, 3, 2, 0]), 1: np.array([0, 0, 0, 3, 2, 0]), 2: np.array([0, 0, 0, 0, 2, 0])},
    }

    def test_fixed_and_broken_are_so_in_every_seed_that_both_have(self) -> None:
        found = behavior.changed(self.RUNS, self.LABELS, "base", "arm")
        assert found is not None
        assert (found.seeds, found.fixed.tolist(), found.broken.tolist()) == (2, [1], [3])
        # Images 1, 2, 3 and 5 are right in 2, 1, 2 and 3 of the four runs.
        assert found.expected == pytest.approx((1 / 4) ** 2 + (3 / 16) ** 2 + (1 / 4) ** 2 + (3 / 16) ** 2)
        assert behavior.changed(self.RUNS, self.LABELS, "base", "gone") is None

    def test_churn_compares_predictions_not_rightness(self) -> None:
        table = behavior.churn(self.RUNS)
        assert table.loc["base", "base"] == pytest.approx(100 / 6)
        assert table.loc["arm", "arm"] == pytest.approx(100 * (1 + 2 + 1) / 18)
        assert table.loc["base", "arm"] == table.loc["arm", "base"] == pytest.approx(100 * (4 + 4 + 3 + 3 + 3 + 2) / 36)
        assert np.isnan(behavior.churn({"one": {0: self.LABELS}}).loc["one", "one"])

    def test_images_that_no_run_gets_right(self) -> None:
        assert behavior.never_right(self.RUNS, self.LABELS).tolist() == [4]
        assert behavior.usual(self.RUNS, 4) == 2
        assert behavior.usual(self.RUNS, 1, ["base"]) == 1


class TestMistakes:
    def test_the_surest_stand_first(self) -> None:
        assert mistakes.positions(THREE).tolist() == [4, 3, 1]

    def test_saved_causes_come_back_and_formulas_were_only_text(self, tmp_path: Path) -> None:
        path = tmp_path / "causes.csv"
        path.write_bytes(
            b'\xef\xbb\xbf"id","true","predicted","confidence","cause"\r\n"test/4","c","b","0.99","poor image"\r\n"test/1","a","b","0.6","\'=1+1"\r\n'
        )
        tags = mistakes.tagged(path)
        assert tags == {"test/4": "poor image", "test/1": "=1+1"}
        assert mistakes.causes(tags | {"test/0": "not wrong at all"}, THREE) == [("poor image", 1), ("=1+1", 1)]

    @pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\xff\xfe\x00"])
    def test_a_file_that_the_page_did_not_save_is_named(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "causes.csv"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"causes\.csv"):
            mistakes.tagged(path)


def test_notable_images_are_what_they_are_called() -> None:
    found = probabilities.notable(THREE, most=2)
    assert found.surest_right.tolist() == [0, 2]
    assert found.surest_wrong.tolist() == [4, 3]
    assert found.least_sure.tolist() == [1, 2]
    assert sorted(found.random.tolist()) == sorted(set(found.random.tolist()))
    said = probabilities.said(THREE, 1, np.zeros((2, 2, 1), np.uint8), ["a", "b", "c"])
    assert [(bar.label, bar.true, bar.greatest) for bar in said.bars] == [("a", True, False), ("b", False, True), ("c", False, False)]
    assert said.verdict == "a, taken for b"
    assert [probabilities.percent(share) for share in (1.0, 0.99951, 0.5, 0.0001, 0.0)] == ["> 99.9 %", "> 99.9 %", "50.0 %", "< 0.1 %", "< 0.1 %"]


class TestTraining:
    def epochs(self, train: list[float], held: list[float], accuracy: list[float]) -> pd.DataFrame:
        return pd.DataFrame({"epoch": range(1, len(held) + 1), "train_loss": train, "validation_loss": held, "validation_accuracy": accuracy})

    def test_overfitting_is_dated(self) -> None:
        (line,) = diagnosis.about_epochs(self.epochs([1, 0.8, 0.5, 0.3, 0.1], [1, 0.7, 0.8, 0.9, 1.0], [0.5, 0.7, 0.8, 0.7, 0.7]))
        assert line.startswith("Overfitting begins after epoch 2: from there validation loss rises by 43 %")

    def test_a_run_that_still_improves_has_not_converged(self) -> None:
        (line,) = diagnosis.about_epochs(self.epochs([1, 0.9, 0.8, 0.7], [1, 0.9, 0.85, 0.8], [0.1, 0.2, 0.3, 0.4]))
        assert line.startswith("The best epoch by validation accuracy is 4 of 4: the run was still improving")

    def test_overfitting_and_a_late_best_epoch_do_not_contradict_each_other(self) -> None:
        found = diagnosis.about_epochs(self.epochs([1, 0.8, 0.5, 0.3, 0.1], [1, 0.7, 0.8, 0.9, 1.0], [0.5, 0.6, 0.7, 0.7, 0.8]))
        assert [line.partition(" ")[0] for line in found] == ["Overfitting", "The"]
        assert "surer faster than it gets better" in found[1]

    def test_a_settled_run_gives_no_finding(self) -> None:
        assert diagnosis.about_epochs(self.epochs([1, 0.5, 0.4, 0.4], [1, 0.6, 0.6, 0.61], [0.1, 0.5, 0.4, 0.4])) == []

    def test_the_edge_of_a_grid_is_told(self) -> None:
        arms = [{"name": "baseline", "changes": {}}, *({"name": f"lr {lr}", "changes": {"optimizer.lr": lr}} for lr in (0.1, 0.001))]
        base = {"optimizer": {"use": "sgd", "lr": 0.01}}
        (line,) = diagnosis.about_edges(arms, base, {"baseline": 0.7, "lr 0.1": 0.8, "lr 0.001": 0.6})
        assert "0.1 (arm lr 0.1), is the largest" in line
        assert diagnosis.about_edges(arms, base, {"baseline": 0.9, "lr 0.1": 0.8, "lr 0.001": 0.6}) == []
        (line,) = diagnosis.about_edges(arms, base, {"baseline": 0.7, "lr 0.1": 0.8, "lr 0.001": 0.6}, less=True)
        assert "0.001 (arm lr 0.001), is the smallest" in line
        assert diagnosis.about_edges(arms[:2], base, {"baseline": 0.7, "lr 0.1": 0.8}) == []

    def test_large_steps_are_told(self) -> None:
        assert "too high" in diagnosis.about_updates(pd.DataFrame({"update_ratio": [0.1, 0.2, 0.3]}))[0]
        assert diagnosis.about_updates(pd.DataFrame({"update_ratio": [1e-3]})) == []
        assert diagnosis.about_updates(pd.DataFrame({"loss": [1.0]})) == []
