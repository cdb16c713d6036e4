from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from tests.reading.made_study import Made, write

from contrast.errors import InputError
from contrast.results import Results, load


def test_every_status_is_told_apart(tmp_path: Path) -> None:
    states = {("a", 0): "finished", ("a", 1): "diverged", ("a", 2): "failed", ("b", 0): "interrupted", ("b", 1): "planned"}
    results = Results(write(tmp_path / "s", Made(gains={"a": 0.0, "b": 0.1}, states=states, images=20)))
    held = next(run for run in results.planned() if (run.arm, run.seed) == ("b", 2))
    (held.folder / "summary.json").unlink()
    with FileLock(held.folder / "owner.lock"):
        status = results.status().set_index(["arm", "seed"])
    assert {key: status.loc[key, "status"] for key in states} == states
    assert status.loc[("b", 2), "status"] == "running"
    assert status.loc[("a", 2), "cause"] == "the disk is full"
    assert list(status.loc[("b", 0), ["epoch", "epochs"]]) == [4, 8]
    assert list(status.loc[("b", 1), ["epoch", "seconds"]]) == [0, 0.0]


def test_a_torn_last_line_is_left_out(folder: Path) -> None:
    results = Results(folder)
    before = results.epochs()
    path = results.planned()[0].folder / "epochs.csv"
    path.write_bytes(path.read_bytes() + b"9,450,0.1,0.9")
    pd.testing.assert_frame_equal(results.epochs(), before)


def test_a_file_with_only_a_torn_line_is_an_empty_table(folder: Path) -> None:
    results = Results(folder)
    (results.planned()[0].folder / "epochs.csv").write_bytes(b"epoch,st")
    assert len(results.epochs()) == 8 * 8


def test_runs_hold_every_planned_run_and_missing_figures_until_it_ends(tmp_path: Path) -> None:
    results = Results(write(tmp_path / "s", Made(states={("dropout", 1): "planned"}, images=20)))
    runs = results.runs().set_index(["arm", "seed"])
    assert len(runs) == 9
    assert np.isnan(runs.loc[("dropout", 1), "test_accuracy"])
    assert runs.loc[("dropout", 0), "epochs"] == 8
    assert runs["parameters"].dtype == "Int64"


def test_arms_that_share_a_recipe_share_its_runs(tmp_path: Path) -> None:
    made = Made(gains={"a": 0.0, "b": 0.2, "twin of b": 0.2}, shared={"twin of b": "b"}, images=20)
    results = Results(write(tmp_path / "s", made))
    runs = results.runs()
    of = {arm: list(runs.loc[runs["arm"] == arm, "test_accuracy"]) for arm in results.arms}
    assert of["b"] == of["twin of b"]
    assert runs["folder"].nunique() == 6
    assert set(results.epochs()["arm"]) == {"a", "b", "twin of b"}


def test_outcomes_are_aligned_by_image_id_whatever_the_order_in_the_file(folder: Path) -> None:
    results = Results(folder)
    before = results.outcomes()
    path = results.planned()[4].folder / "test.parquet"
    pd.read_parquet(path).sample(frac=1, random_state=0).to_parquet(path, index=False)
    after = results.outcomes()
    for arm, seeds in before.items():
        for seed, right in seeds.items():
            assert right.dtype == np.uint8
            np.testing.assert_array_equal(after[arm][seed], right)


def test_outcomes_average_to_the_accuracy_of_the_summary(quickstart: Results) -> None:
    runs = quickstart.runs().set_index(["arm", "seed"])["test_accuracy"]
    for arm, seeds in quickstart.outcomes().items():
        for seed, right in seeds.items():
            assert right.mean() == pytest.approx(runs[(arm, seed)])


def test_a_run_judged_on_other_images_is_not_paired_and_named(folder: Path) -> None:
    results = Results(folder)
    run = results.planned()[4]
    table = pd.read_parquet(run.folder / "test.parquet")
    table.loc[0, "id"] = "train/elsewhere"
    table.to_parquet(run.folder / "test.parquet", index=False)
    assert run.seed not in results.outcomes().get(run.arm, {})
    assert any(run.arm in warning and "images" in warning for warning in results.warnings())


def test_data_that_changed_after_the_plan_is_flagged(folder: Path) -> None:
    results = Results(folder)
    assert results.warnings() == []
    path = results.planned()[0].folder / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_fingerprint": "cd" * 32}))
    (warning,) = Results(folder).warnings()
    assert warning.startswith("baseline, seed 0: the data has changed")


def test_the_best_run_is_the_one_validation_chooses_not_test(folder: Path) -> None:
    results = Results(folder)
    for seed, (validation, test) in enumerate([(0.90, 0.99), (0.95, 0.10), (0.95, 0.50)]):
        path = next(run.folder for run in results.planned() if (run.arm, run.seed) == ("dropout", seed)) / "summary.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"validation_accuracy": validation, "test_accuracy": test}))
    best = Results(folder).best("dropout")
    assert best.seed == 1
    assert best.summary is not None
    assert best.summary["test_accuracy"] == 0.10


def test_where_loss_chooses_the_smallest_is_best(folder: Path) -> None:
    lock = json.loads((folder / "study.lock").read_text())
    (folder / "study.lock").write_text(json.dumps(lock | {"choose": "validation_loss"}))
    results = Results(folder)
    runs = results.runs()
    own = runs[runs["arm"] == "baseline"].set_index("seed")["validation_loss"]
    assert results.best("baseline").seed == own.idxmin()


def test_the_table_by_arm_holds_mean_and_sd_of_finished_runs(tmp_path: Path) -> None:
    results = Results(write(tmp_path / "s", Made(states={("baseline", 2): "diverged"}, images=100)))
    row = results.table("arm").set_index("arm").loc["baseline"]
    runs = results.runs()
    values = runs.loc[(runs["arm"] == "baseline") & (runs["seed"] < 2), "test_accuracy"]
    assert (row["finished"], row["planned"], row["diverged"]) == (2, 3, 1)
    assert row["test_accuracy"] == pytest.approx(values.mean())
    assert row["test_accuracy_sd"] == pytest.approx(values.std(ddof=1))


def test_every_table_can_be_had(quickstart: Results) -> None:
    shapes = {by: len(quickstart.table(by)) for by in ("arm", "run", "epoch", "image")}
    assert shapes == {"arm": 3, "run": 9, "epoch": 72, "image": 9000}
    assert len(quickstart.steps()) == 9 * 400
    with pytest.raises(InputError, match="did you mean 'epoch'"):
        quickstart.table("epohc")


def test_compare_judges_by_the_plan_baseline_and_margin(quickstart: Results) -> None:
    comparison = quickstart.compare()
    assert comparison.baseline.arm == "baseline"
    assert [contrast.arm for contrast in comparison.contrasts] == ["batch norm", "dropout"]
    assert comparison.contrasts[0].images_interval is not None
    assert quickstart.compare("seconds").contrasts[0].images_interval is None
    assert quickstart.compare(baseline="dropout").baseline.arm == "dropout"


@pytest.mark.parametrize(("metric", "baseline"), [("test_acuracy", None), ("test_accuracy", "basline")])
def test_a_misspelt_metric_or_baseline_is_one_line_with_the_nearest(quickstart: Results, metric: str, baseline: str | None) -> None:
    with pytest.raises(InputError, match="did you mean") as caught:
        quickstart.compare(metric, baseline=baseline)
    assert "\n" not in str(caught.value)


def test_unfinished_runs_take_no_part_in_a_comparison(tmp_path: Path) -> None:
    states = {("dropout", 0): "interrupted", ("dropout", 1): "planned", ("dropout", 2): "failed"}
    comparison = Results(write(tmp_path / "s", Made(states=states, images=100))).compare()
    assert comparison.contrasts[1].verdict.kind == "not yet"


def test_a_folder_without_a_study_is_told_in_one_line(tmp_path: Path) -> None:
    write(tmp_path / "below", Made(images=20))
    with pytest.raises(InputError, match="below"):
        load(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "missing")


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "a/b", "..", "", "a\\b", "nul\0", 7])
def test_a_lock_that_leads_out_of_the_folder_is_refused(folder: Path, name: object) -> None:
    lock = json.loads((folder / "study.lock").read_text())
    lock["runs"][0]["folder"] = name
    (folder / "study.lock").write_text(json.dumps(lock))
    with pytest.raises(InputError, match="is no name of a run's folder"):
        load(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '{"version": 99}', '{"version": 1}'])
def test_a_damaged_lock_is_told_in_one_line(folder: Path, content: str) -> None:
    (folder / "study.lock").write_text(content)
    with pytest.raises(InputError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert "study.lock" in str(caught.value)


@pytest.mark.parametrize("file", ["summary.json", "test.parquet"])
def test_a_damaged_run_file_is_named(folder: Path, file: str) -> None:
    path = Results(folder).planned()[0].folder / file
    path.write_bytes(b"\x00damaged")
    with pytest.raises(InputError, match=file):
        Results(folder).compare()


def test_the_chosen_network_comes_back_in_evaluation_mode(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from contrast.recipe import Recipe
    from contrast.study_file import write_run

    recipe = Recipe.parse({"data": "mnist5k", "model": {"use": "convnet", "channels": [4], "norm": "batch"}}, trust=False)
    run = Results(folder).best("baseline")
    (run.folder / "recipe.yaml").write_text(write_run(recipe, "made", "made"), encoding="utf-8")
    network = recipe.model.build((1, 28, 28), 10)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    save_file(dict(network.state_dict()), run.folder / "best.safetensors")
    images = torch.randn(3, 1, 28, 28)
    restored = Results(folder).best("baseline").model()
    assert not restored.training
    assert torch.equal(restored(images), network.eval()(images))


def test_a_network_without_kept_weights_is_one_line(folder: Path) -> None:
    with pytest.raises(InputError, match=r"best\.safetensors"):
        Results(folder).best("baseline").model()


def test_a_study_can_be_moved(folder: Path, tmp_path: Path) -> None:
    before = Results(folder).table()
    moved = shutil.move(folder, tmp_path / "elsewhere")
    pd.testing.assert_frame_equal(Results(moved).table(), before)


@pytest.mark.slow
def test_reading_comparing_and_reporting_with_every_figure_load_no_torch(everything: Results) -> None:
    code = (
        "import sys; from contrast.results import load; "
        "assert not {'torch', 'pandas', 'numpy', 'altair', 'jinja2'} & set(sys.modules), 'importing is not cheap'; "
        "r = load(sys.argv[1]); r.table(); print(r.compare()); print(r.designs()); r.report(); r.status(); "
        "load(sys.argv[1] + '/report.html').table(); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(everything.folder)], check=True, capture_output=True)
