"""What the page says of single images, classes and arms, and of what only run folders and data hold."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from safetensors.numpy import save_file
from tests.reading.made_study import Made, write
from tests.reading.test_page import HOSTILE, seen

from contrast import catalog, evidence
from contrast.errors import InputError
from contrast.evidence import Evidence
from contrast.explain import confusion, thumbnails
from contrast.protocols import Places
from contrast.report import arm_pages, behavior, classes, gallery
from contrast.report.embedded import PICTURE, Restored, packed
from contrast.report.page import build
from contrast.results import Results, load

LABELS = np.array([0, 0, 1, 1, 2, 2])
SAID = {
    ("baseline", 0): [0, 0, 0, 1, 2, 1],
    ("baseline", 1): [0, 0, 0, 1, 2, 1],
    ("other", 0): [1, 0, 1, 1, 2, 1],
    ("other", 1): [1, 0, 1, 0, 2, 1],
}
"""Arm and seed → what is said of six images: the other arm breaks the first and fixes the third; nobody gets the last right."""


def told(folder: Path, said: dict[tuple[str, int], Sequence[int]], names: Sequence[str]) -> Results:
    """A study whose runs said this of the test images; the right one of three classes always got 0.7, and so did a wrong one."""
    arms = list(dict.fromkeys(arm for arm, _ in said))
    made = Made(gains=dict.fromkeys(arms, 0.0), changes={arm: {"model.dropout": 0.1} for arm in arms}, seeds=[0, 1], images=6, classes=list(names))
    results = Results(write(folder, made))
    for run in results.planned():
        predictions = np.array(said[run.arm, run.seed], np.int32)
        given = np.full((len(LABELS), len(names)), 0.3 / (len(names) - 1), np.float32)
        given[np.arange(len(LABELS)), predictions] = 0.7 + 0.01 * np.arange(len(LABELS), dtype=np.float32)
        rows = {"id": pa.array([f"test/{at}" for at in range(len(LABELS))]), "label": LABELS.astype(np.int32), "prediction": predictions}
        rows |= {"loss": np.ones(len(LABELS), np.float32), "p_true": np.ones(len(LABELS), np.float32)}
        rows["probabilities"] = pa.FixedSizeListArray.from_arrays(pa.array(given.ravel()), len(names))
        parquet.write_table(pa.table(rows), run.folder / "test.parquet")
    return Results(folder)


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return told(tmp_path_factory.mktemp("six") / "s", SAID, ["cat", "dog", "<img src=x>"])


@pytest.fixture(scope="module")
def restored(six: Results) -> Restored:
    return Restored(packed(six) | {"evidence": Evidence(six).kept()})


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study of formulas, beside whose runs a reader's causes lie."""
    results = told(tmp_path_factory.mktemp("tagged") / "s", SAID, ["=1+1", "@sum", "+cmd"])
    (results.folder / "causes.csv").write_text("id,cause\ntest/2,'=blurred\n", encoding="utf-8")
    return results.report()


class TestBehavior:
    def test_fixed_broken_and_never_right_are_told_by_id_and_class(self, restored: Restored) -> None:
        found = behavior.of(restored)
        assert found is not None
        assert found.changed == (("other", "2", "1", "1", "0.2"),)
        shown = {group.name: [(image.id, image.true, image.said) for image in group.images] for group in found.groups}
        assert shown == {
            "fixed-0": [("test/2", "dog", "cat")],
            "broken-0": [("test/0", "cat", "dog")],
            "never-right": [("test/5", "<img src=x>", "dog")],
        }
        assert found.sentences[0] == "1 test image of 6 is right in none of 4 runs."
        assert "1 is taken for one and the same other class" in found.sentences[1]

    def test_churn_and_changes_can_be_saved(self, restored: Restored) -> None:
        found = behavior.of(restored)
        assert found is not None
        assert found.churn == (("baseline", "0.0", "41.7"), ("other", "41.7", "16.7"))
        assert found.tables["fixed and broken"].to_dict("list") == {
            "arm": ["other", "other"], "image": ["test/2", "test/0"], "change": ["fixed", "broken"], "true": ["dog", "cat"],
            "baseline says": ["cat", "cat"], "arm says": ["dog", "dog"],
        }  # fmt: skip

    def test_runs_on_other_labels_under_the_same_ids_are_not_mixed_in(self, tmp_path: Path) -> None:
        results = told(tmp_path / "s", SAID, "abc")
        path = results.planned()[1].folder / "test.parquet"
        rows = parquet.read_table(path)
        parquet.write_table(rows.set_column(1, "label", pa.array((LABELS + 1) % 3, pa.int32())), path)
        kept = Restored(packed(Results(tmp_path / "s")))
        assert {arm: sorted(seeds) for arm, seeds in kept.alike()[2].items()} == {"baseline": [0, 1], "other": [1]}
        found = behavior.of(kept)
        assert found is not None
        assert found.sentences[0].startswith("1 run judged on other test images than the baseline is left out")


class TestClasses:
    def test_each_class_has_its_accuracy_and_an_interval_as_wide_as_one_run_s(self, restored: Restored) -> None:
        found = classes.of(restored)
        assert found is not None
        assert found.arms == ("other",)
        assert [row[0] for row in found.rows] == ["<img src=x>", "dog", "cat"]
        assert found.rows[2] == ("cat", "2", "100.0", "34.2 … 100.0", "−50.0")
        assert set(found.table.columns) == {"arm", "class", "images", "accuracy", "low", "high"}

    def test_the_matrix_tells_mean_counts_and_rates(self, restored: Restored) -> None:
        found = classes.of(restored)
        assert found is not None
        other = found.matrices[1]
        assert [[cell.images for cell in row] for row in other.rows] == [["1.0", "1.0", ""], ["0.5", "1.5", ""], ["", "1.0", "1.0"]]
        assert other.rows[1][1].rate == "75.0"
        assert other.pairs[0][:2] == ("cat", "dog")

    def test_of_a_thousand_classes_the_most_confused_are_shown(self) -> None:
        counts = np.diag(np.full(1000, 50))
        for true, predicted, images in ((3, 700, 20), (700, 3, 15), (41, 42, 9)):
            counts[true, predicted] = images
        assert set(confusion.part(counts, 4)) == {3, 700, 41, 42}
        chosen = confusion.part(counts, 3)
        assert set(chosen) == {3, 700}
        matrix = classes._matrix("arm", counts, 1, [f"class {at}" for at in range(1000)])
        assert len(matrix.rows) <= 16
        assert PICTURE.fullmatch(matrix.picture)
        assert matrix.pairs[0] == ("class 3", "class 700", "20", "28.6")


class TestGallery:
    def test_mistakes_of_several_arms_stand_once_the_surest_first(self, restored: Restored) -> None:
        found = gallery.of(restored)
        assert found is not None
        assert [(one.id, one.arms) for one in found.mistakes[:2]] == [("test/5", (0, 1)), ("test/2", (0,))]
        confidences = [one.confidence for one in found.mistakes]
        assert confidences == sorted(confidences, key=lambda value: -(value or 0))

    def test_causes_are_counted_for_each_arm(self, six: Results, tmp_path: Path) -> None:
        path = tmp_path / "tagged.csv"
        path.write_text("id,true,predicted,confidence,cause\ntest/2,dog,cat,0.7,background\ntest/5,x,dog,0.7,background\ntest/99,x,y,1,gone\n")
        found = gallery.of(Restored(packed(six) | {"evidence": Evidence(six, causes=path).kept()}))
        assert found is not None
        assert found.cause_heads == ("baseline", "other")
        assert found.causes == (("background", "2", "100", "2.0", "1.0"),)

    def test_causes_beside_the_runs_are_counted_without_being_named(self, tagged: Path) -> None:
        text = " ".join("".join(seen(tagged).text).split())
        assert "What a reader saw in mistakes of this study" in text
        assert "=blurred" in text

    def test_a_file_of_causes_that_is_not_there_is_one_line(self, six: Results, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read as CSV"):
            Evidence(six, causes=tmp_path / "no.csv")


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study of real images, the shipped digits, with hostile class names."""
    folder = write(tmp_path_factory.mktemp("digits") / "s", Made(images=30, classes=HOSTILE[:10]))
    lock = json.loads((folder / "study.lock").read_text(encoding="utf-8"))
    lock["data"][0]["fingerprint"] = catalog.parse("data", "mnist5k").read(Places()).fingerprint  # type: ignore[attr-defined]
    (folder / "study.lock").write_text(json.dumps(lock), encoding="utf-8")
    return Results(folder).report()


class TestPictures:
    def test_pictures_are_those_of_the_images(self, pictured: Path) -> None:
        import base64
        import io

        from PIL import Image

        kept = load(pictured)
        assert isinstance(kept, Restored)
        assert kept.pictures
        images = catalog.parse("data", "mnist5k").read(Places())  # type: ignore[attr-defined]
        for name, address in list(kept.pictures.items())[:5]:
            pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("L"))
            np.testing.assert_array_equal(pixels, images.pixels[images.ids.index(name)][..., 0])

    def test_the_page_shows_them_and_carries_what_the_script_saves(self, pictured: Path) -> None:
        parsed = seen(pictured)
        assert sum(tag == "img" for tag, _ in parsed.elements) > 5
        items = [attributes for tag, attributes in parsed.elements if tag == "li" and "data-id" in attributes]
        assert items
        assert all((item["data-id"] or "").startswith("train/") and float(item["data-confidence"] or "") > 0 for item in items)
        assert "No image is shown" not in "".join(parsed.text)

    def test_a_page_made_of_the_page_shows_the_same(self, pictured: Path) -> None:
        kept = load(pictured)
        assert isinstance(kept, Restored)
        assert build(kept, kept.compare()) == pictured.read_text(encoding="utf-8")

    def test_a_forged_picture_is_not_shown(self, pictured: Path, tmp_path: Path) -> None:
        kept = load(pictured)
        assert isinstance(kept, Restored)
        name = next(iter(kept.pictures))
        forged = Restored(
            packed(kept) | kept.beside_tables | {"pictures": {name: "https://example.org/x.png", "b": 'data:image/png;base64,x" onload="1'}}
        )
        assert forged.pictures == {}

    def test_changed_or_missing_data_is_told_in_a_sentence(self, six: Results, tmp_path: Path) -> None:
        assert Evidence(six).pictures(["test/1"]) == (
            {},
            "No image is shown: the data has changed since the study was planned (its fingerprint differs).",
        )
        six_elsewhere = told(tmp_path / "s", SAID, "abc")
        six_elsewhere.lock["data"][0] |= {"use": "mylab.sets:Birds"}
        assert "code outside the package" in Evidence(six_elsewhere).pictures(["test/1"])[1]
        six_elsewhere.lock["data"][0] |= {"use": "cifar10", "settings": {}}
        assert "not at hand" in Evidence(six_elsewhere, Places(folders=(tmp_path,))).pictures(["test/1"])[1]

    @pytest.mark.parametrize("shape", [(1, 1, 1), (1, 300, 3), (28, 28, 1), (500, 333, 3), (8, 8, 4)])
    def test_any_image_has_a_small_picture(self, shape: tuple[int, int, int]) -> None:
        address = thumbnails.address(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
        assert PICTURE.fullmatch(address)
        assert len(address) < 30_000


class TestArms:
    def test_the_first_filters_are_found_in_the_order_of_numbers(self, tmp_path: Path) -> None:
        first, later = np.ones((4, 3, 5, 5), np.float32), np.zeros((4, 3, 3, 3), np.float32)
        save_file({"block10.weight": later, "block2.weight": first, "block1.bias": np.zeros(4, np.float32)}, tmp_path / "w.safetensors")
        found = evidence.first_filters(tmp_path / "w.safetensors")
        assert found is not None
        assert found[0] == "block2"
        np.testing.assert_array_equal(found[1], first)
        assert evidence.first_filters(tmp_path / "none.safetensors") is None
        save_file({"line.weight": np.ones((3, 4), np.float32)}, tmp_path / "line.safetensors")
        assert evidence.first_filters(tmp_path / "line.safetensors") is None

    def test_damaged_weights_are_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "w.safetensors").write_bytes(b"no weights at all")
        with pytest.raises(InputError, match="cannot be read as weights"):
            evidence.first_filters(tmp_path / "w.safetensors")

    def test_findings_of_seeds_are_counted(self) -> None:
        import pandas as pd

        rising = {"train_loss": [2.0, 1.0, 0.5, 0.2], "validation_loss": [1.0, 0.8, 1.0, 1.2], "validation_accuracy": [0.5, 0.7, 0.6, 0.6]}
        higher = rising | {"validation_loss": [1.0, 0.8, 1.0, 1.4]}
        settled = rising | {"validation_loss": [1.0, 0.8, 0.8, 0.8]}
        frames = [pd.DataFrame({"epoch": range(1, 5), "seed": seed, **rows}) for seed, rows in enumerate([rising, settled, higher])]
        found = list(arm_pages._findings(pd.concat(frames), "validation_accuracy", 2))
        assert len(found) == 1
        assert found[0].startswith("Overfitting begins after epoch 2: from there validation loss rises by 75 %")
        assert found[0].endswith("So or alike in 2 of 3 seeds.")

    def test_every_arm_has_a_page_with_its_settings_and_cost(self, restored: Restored) -> None:
        from contrast.study_tables import by_arm

        baseline, other = arm_pages.of(restored, by_arm(restored.runs()))
        assert baseline.summary.startswith("the baseline, test accuracy")
        assert [change.setting for change in other.changes] == ["model.dropout"]
        assert Counter(curve.title for curve in other.curves) == {"validation accuracy": 1, "train loss": 1, "validation loss": 1}
        assert all(len(curve.paths) == 2 for curve in other.curves)
        assert {"time", "speed", "peak memory", "parameters"} <= {name for name, _ in other.facts}


def test_predictions_take_one_byte_and_come_back(restored: Restored, six: Results) -> None:
    group = packed(six)["images"]["test"][0]
    assert group["width"] == 1
    for arm, seed, labels, predictions in restored.judged_images():
        np.testing.assert_array_equal(labels, LABELS)
        np.testing.assert_array_equal(predictions, SAID[arm, seed])


def test_a_page_of_the_first_release_is_read_still(six: Results) -> None:
    import base64
    import zlib

    content = packed(six)
    group = content["images"]["test"][0]
    del group["width"], content["evidence"], content["pictures"], content["no_pictures"]
    wide = base64.b64encode(zlib.compress(LABELS.astype("<i4").tobytes())).decode()
    group |= {"labels": wide, "runs": [{"arm": "baseline", "seed": 0, "predictions": wide}]}
    old = Restored(content)
    np.testing.assert_array_equal(old.labels(), LABELS)
    assert old.alike()[0] == [f"test/{at}" for at in range(6)]
    assert old.beside_tables == {"evidence": {}, "pictures": {}, "no_pictures": ""}


@pytest.mark.slow
def test_everything_of_the_page_is_made_without_torch(pictured: Path) -> None:
    code = "import sys; from contrast.results import Results; Results(sys.argv[1]).report(sys.argv[2]); print('torch' in sys.modules)"
    again = pictured.parent / "again.html"
    made = subprocess.run([sys.executable, "-c", code, pictured.parent, again], capture_output=True, text=True)
    assert made.stdout == "False\n", made.stderr
    assert again.read_bytes() == pictured.read_bytes()


def test_the_table_of_changes_is_safe_for_spreadsheets(tagged: Path) -> None:
    text = json.loads(seen(tagged).scripts[1])["fixed and broken"]
    assert all(not cell.startswith(("=", "@", "+")) for row in csv.reader(text.splitlines()) for cell in row)
