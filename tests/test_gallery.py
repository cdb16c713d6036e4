"""The gallery: every row of the five reports is claimed, studies say what the reports say, and what is printed is held against ours honestly."""

from __future__ import annotations

import html
import importlib.util
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import contrast as ct
from contrast import changes, freezing, networks, study_file
from contrast.budgets import BUDGETS
from contrast.compare import prediction_interval
from contrast.designs import parsed
from contrast.errors import InputError
from contrast.published import ROWS, Conclusion, Published, written
from contrast.recipe import Recipe
from contrast.report import cards
from contrast.report.embedded import restore
from contrast.report.page import build
from contrast.report.published import section
from contrast.report.terminal import lines
from contrast.results import Results
from contrast.study import Study
from tests.reading.made_study import Made, write

ROOT = Path(__file__).parents[1]
STUDIES = {name: study_file.read(path) for name, path in study_file.shipped().items()}
EVERY_ROW = [f"{letter}{number}" for letter, most in ROWS.items() for number in range(1, most + 1)]

PARAMETERS: dict[str, list[tuple[int, int | None]]] = {
    "S1": [(7_678_474, None)],
    "S3": [(7_678_474, None), (7_682_826, None)],
    "U3": [(890_410, None)],
    "U6": [(1_702_186, None)],
    "M1": [(1_276_810, None)],
    "M5": [(5_274_882, None), (9_539_074, None), (1_373_986, None)],
    "P3": [(57_417_637, 57_417_637)],
    "P6": [(57_417_637, 2_469_696)],
    "P7": [(57_417_637, 54_947_941)],
    "P9": [(142_757_397, 8_496_853)],
    "P10": [(13_691_557, 13_691_557)],
    "N3": [(390_410, None)],
}
"""Row → total and trainable parameters of arms of its studies, where the report states them or they were recomputed from what it states."""

CLASSES = {"cifar10": 10, "mnist": 10, "caltech101": 101, "dogs-vs-cats-64": 2, "cats_vs_dogs": 2}
SHAPES = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28), "caltech101": (3, 224, 224), "dogs-vs-cats-64": (3, 64, 64), "cats_vs_dogs": (3, 64, 64)}
"""Data set, or the path of a folder, → what the report has there."""

SGD, ADAM = {"optimizer.use": "sgd"}, {"optimizer.use": "adam"}
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "S1": [{"epochs": 20}],
    "S4": [{"epochs": 50, "model.norm": norm} for norm in ("none", "batch")],
    "S5": [
        {"epochs": 50, "augment.crop.padding": 4, "augment.rotate.degrees": 5.0, "augment.translate.fraction": 0.2, "augment.color_jitter.hue": 0.05}
    ],
    "S6": [{"model.dropout": p / 10} for p in range(1, 10)],
    "S7": [{"epochs": 20}],
    "U2": [{"data.validation": 1000}],
    "U3": [{**SGD, "optimizer.lr": 0.001, "optimizer.momentum": 0.9, "batch_size": 32, "epochs": 20, "data.validation": 1000}],
    "U4": [{"model.dropout": p} for p in (0.2, 0.5, 0.8)] + [{"model.dropout": 0.8, "epochs": 60}],
    "U6": [{"epochs": 25, "optimizer.lr": 0.05, "model.dropout": 0.2}],
    "M1": [{**SGD, "optimizer.lr": 0.02, "batch_size": 64, "epochs": 100}],
    "M6": [{**ADAM, "epochs": 25, "batch_size": size} for size in (4, 8, 16, 32, 64)],
    "P3": [{**SGD, "optimizer.lr": 0.001, "optimizer.momentum": 0.9, "batch_size": 256, "epochs": 30}],
    "P4": [{"optimizer.use": use, "optimizer.lr": lr, "epochs": 25} for use in ("rmsprop", "adam", "sgd") for lr in (0.01, 0.001, 0.00001)],
    "P5": [{"optimizer.use": use, "optimizer.lr": lr} for use in ("rmsprop", "adam", "sgd") for lr in (0.01, 0.001, 0.00001)],
    "P9": [{"batch_size": 32}],
    "P10": [{"batch_size": 256}],
    "N3": [{"epochs": 8}],
    "N4": [{**SGD, "optimizer.lr": 0.05, "batch_size": 64, "epochs": 9}, {**ADAM, "optimizer.lr": 0.005}, {"model.kernel": 5}],
    "N5": [{**SGD, "optimizer.lr": 0.05, "batch_size": 64, "model.activation": "mish"}],
    "N6": [{"model.norm": "none"}, {"model.norm": "batch"}],
    "N7": [{**ADAM, "optimizer.lr": 0.0005, "batch_size": 64, "epochs": 10, "model.activation": "mish"}],
    "N8": [{**ADAM, "optimizer.lr": 0.0005, "batch_size": 32}],
}
"""Row → settings that the report states, each set of them together in one arm."""


def claiming(row: str) -> list[Study]:
    return [study for study in STUDIES.values() if row in study.source]


def recipes(row: str) -> list[Recipe]:
    return [arm.recipe for study in claiming(row) for arm in study.plan().arms]


def data_name(recipe: Recipe) -> str:
    return str(getattr(recipe.data, "path", "") or "") if recipe.data.use == "folder" else recipe.data.use


@cache
def counted(written: str, shape: tuple[int, int, int], classes: int) -> freezing.Counts:
    with torch.device("meta"):
        return freezing.count(networks.network(Recipe.parse(json.loads(written), trust=False).model, shape, classes))


def counts(recipe: Recipe) -> freezing.Counts:
    """Of an arm's network, built where it costs nothing and without weights."""
    name = data_name(recipe)
    spec = recipe.spec()
    only = {"data": {"use": "cifar10"}, "model": {**spec["model"], **({"weights": "none"} if "weights" in spec["model"] else {})}}
    return counted(json.dumps(only, sort_keys=True), SHAPES[name], CLASSES[name])


class TestTheReports:
    def test_each_row_is_claimed_by_a_study_a_command_or_a_page(self) -> None:
        claimed = {row for study in STUDIES.values() for row in study.source} | {other.row for other in cards.ELSEWHERE}
        assert [row for row in EVERY_ROW if row not in claimed] == []

    def test_rows_that_are_no_studies_lead_to_commands_and_pages_that_are_there(self) -> None:
        for other in cards.ELSEWHERE:
            assert (ROOT / "docs" / "gallery" / other.page).resolve().is_file(), other
            text = (ROOT / "docs" / "gallery" / other.page).resolve().read_text(encoding="utf-8")
            assert other.command in text, other

    @pytest.mark.parametrize("name", sorted(STUDIES))
    @pytest.mark.parametrize("budget", BUDGETS)
    def test_each_study_plans_at_each_budget(self, name: str, budget: str) -> None:
        study = STUDIES[name]
        if budget == "short" and study.short is None:
            with pytest.raises(InputError, match="no short budget"):
                study.with_budget(budget)
            return
        plan = study.with_budget(budget).plan()
        assert len(plan.runs) >= len(plan.arms) >= 2 or study.conclusions == ()

    @pytest.mark.parametrize("row", PARAMETERS)
    def test_networks_have_the_parameters_that_the_report_states(self, row: str) -> None:
        found = {(count.total, count.trainable) for count in map(counts, recipes(row))}
        for total, trainable in PARAMETERS[row]:
            assert any(total == t and trainable in (None, n) for t, n in found), (row, total, trainable, sorted(found))

    @pytest.mark.parametrize("row", SETTINGS)
    def test_settings_are_those_that_the_report_states(self, row: str) -> None:
        found = [dict(changes.flat(recipe.spec())) for recipe in recipes(row)]
        missing = [stated for stated in SETTINGS[row] if not any(all(arm.get(path) == value for path, value in stated.items()) for arm in found)]
        assert missing == []

    def test_a_claim_comes_with_what_is_ours(self) -> None:
        without = [study.name for study in STUDIES.values() if study.source and not study.choices]
        assert without == []


FILE: dict[str, Any] = {
    "name": "size",
    "question": "Are small filters better?",
    "base": {"data": {"use": "mnist5k"}, "model": {"use": "convnet", "channels": [16]}, "epochs": 9},
    "arms": {"large": {"model.kernel": 5}, "larger": {"from": "large", "model.kernel": 7}, "elu": {"model.activation": "elu"}},
    "sweep": {"model.dropout": [0.1, 0.5]},
    "seeds": 3,
    "source": ["N4", "S6"],
    "published": [{"row": "N4", "value": 75.5, "said": "test 75.5 %"}],
    "conclusions": [{"row": "N4", "says": "small is better", "arm": "large", "direction": "worse", "difference": -0.7}],
    "choices": ["The widths are ours."],
    "short": {"gives_up": "Most of it.", "base": {"epochs": 1, "data.train": 500}, "arms": {"large": {"model.kernel": 1}}, "seeds": 2},
}


def study(**changed: Any) -> Study:
    return Study.parse({**FILE, **changed}, trust=False)


def short(**changed: Any) -> Study:
    return study(short={**FILE["short"], **changed}).with_budget("short")


def number(**changed: Any) -> dict[str, Any]:
    return {"published": [{"row": "N4", "value": 75.0, "said": "x", **changed}]}


def conclusion(**changed: Any) -> dict[str, Any]:
    return {"conclusions": [{"row": "N4", "says": "x", "arm": "large", "direction": "same", **changed}]}


class TestBudgets:
    def test_the_short_budget_changes_base_arms_and_seeds_and_keeps_the_question(self) -> None:
        taken = study().with_budget("short")
        arms = {arm.name: arm.recipe for arm in taken.plan().arms}
        assert (taken.name, taken.question, taken.seeds) == ("size-short", FILE["question"], (0, 1))
        assert {recipe.epochs for recipe in arms.values()} == {1}
        assert [arms[name].model.kernel for name in ("baseline", "large", "larger")] == [3, 1, 7]

    def test_only_keeps_the_arms_that_are_named_and_what_they_build_on(self) -> None:
        assert [arm.name for arm in short(only=["larger", "dropout 0.5"]).plan().arms] == ["baseline", "large", "larger", "dropout 0.5"]

    def test_both_budgets_read_back_from_yaml_as_they_were(self, tmp_path: Path) -> None:
        for one in (study(), study().with_budget("short"), short(only=["large"])):
            (tmp_path / "study.yaml").write_text(study_file.write(one), encoding="utf-8")
            again = study_file.read(tmp_path / "study.yaml")
            assert again == one
            assert [run.recipe.id for run in again.plan().runs] == [run.recipe.id for run in one.plan().runs]

    def test_what_is_said_of_reports_changes_no_recipe(self) -> None:
        silent = Study.parse({key: value for key, value in FILE.items() if key in ("name", "question", "base", "arms", "sweep", "seeds")})
        assert [run.recipe.id for run in silent.plan().runs] == [run.recipe.id for run in study().plan().runs]
        assert not set(silent.spec()) & {"source", "published", "conclusions", "choices", "short", "budget"}

    def test_the_command_line_takes_the_budget_first_and_its_own_changes_after(self) -> None:
        taken = study().with_changes({"epochs": 2, "budget": "short"})
        assert (taken.base.epochs, taken.base.data.train, taken.name) == (2, 500, "size-short")
        assert taken.with_changes({"budget": "short"}).name == "size-short"

    def test_outside_code_is_not_let_in_by_the_short_budget(self) -> None:
        with pytest.raises(InputError, match=r"^short\.base\.model: .*outside"):
            study(short={"gives_up": "x", "base": {"model": {"use": "os.path:join"}}})

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"source": ["S10"]}, "source.0: \"S10\" is wrong; a row of the five reports is one of S1–S9"),
            ({"source": ["N04"]}, "source.0"),
            (number(value=0.755), "published.0: an accuracy is given in percent"),
            (number(metric="accuracy"), "published.0.metric"),
            (number(value=12, metric="best_epoch", weights="latest"), "published.0: the latest weights"),
            (number(arm="Large"), "published.0.arm: there is no arm 'Large'; did you mean 'large'"),
            (conclusion(against="no"), "conclusions.0.against: there is no arm 'no'"),
            (conclusion(against="large"), "conclusions.0: 'large' can't be held against itself"),
            (conclusion(direction="up"), "conclusions.0.direction"),
            (conclusion(metric="beauty"), "conclusions.0.metric"),
            ({"short": {"base": {"epochs": 1}}}, "short.gives_up: is missing"),
            ({"short": {"gives_up": "x", "base": {"epoch": 1}}}, "short.base.epoch: unknown setting; did you mean 'epochs'"),
            ({"short": {"gives_up": "x", "only": ["nobody"]}}, "short.only.0: there is no arm 'nobody'"),
            ({"short": {"gives_up": "x", "arms": {"nobody": {}}}}, "short.arms.nobody: there is no such arm"),
            ({"budget": "short"}, "budget: the base of a file is the full budget"),
        ],
    )  # fmt: skip
    def test_a_wrong_key_is_told_with_its_path(self, changed: Mapping[str, Any], told: str) -> None:
        with pytest.raises(InputError, match=f"^{re.escape(told)}"):
            study(**changed)


class TestPredictionInterval:
    @pytest.mark.parametrize("seeds", [2, 3, 5])
    def test_one_more_run_falls_into_it_as_often_as_it_says(self, seeds: int) -> None:
        draws = np.random.default_rng(seeds).normal(80, 0.7, size=(4000, seeds + 1))
        intervals = [prediction_interval(row[:-1]) for row in draws]
        inside = np.mean([interval is not None and row[-1] in interval for row, interval in zip(draws, intervals, strict=True)])
        assert abs(inside - 0.95) < 3 * np.sqrt(0.95 * 0.05 / len(draws))

    def test_it_is_the_formula(self) -> None:
        found = prediction_interval([79.0, 80.0, 82.0])
        half = stats.t.ppf(0.975, 2) * np.std([79, 80, 82], ddof=1) * np.sqrt(4 / 3)
        assert found is not None
        assert [found.low, found.high] == pytest.approx([80.333333 - half, 80.333333 + half])

    def test_there_is_none_without_spread(self) -> None:
        assert prediction_interval([80.0]) is None
        assert prediction_interval([80.0, 80.0, 80.0]) is None


REPORTED: dict[str, Any] = {
    "source": ["S3"],
    "published": [
        {"row": "S3", "arm": "baseline", "value": 79.3, "said": "test <79.3> %"},
        {"row": "S3", "arm": "batch norm", "metric": "validation_accuracy", "weights": "latest", "value": 99.5, "said": "x"},
        {"row": "S3", "arm": "dropout", "metric": "test_loss", "value": 0.9, "said": "x", "not_comparable": "the report sums it"},
        {"row": "S3", "arm": "left out", "value": 50, "said": "x"},
    ],
    "conclusions": [
        {"row": "S3", "says": "batch norm helps", "arm": "batch norm", "direction": "better", "difference": 3.4},
        {"row": "S3", "says": "<b>it</b> harms", "arm": "batch norm", "against": "dropout", "direction": "worse"},
        {"row": "S4", "says": "dropout does nothing", "arm": "dropout", "direction": "same"},
        {"row": "S4", "says": "x", "arm": "left out", "direction": "same"},
    ],
    "choices": ["The <split> is ours."],
}


def made(folder: Path, reported: Mapping[str, Any], **settings: Any) -> Results:
    write(folder, Made(**{"gains": {"baseline": 0.0, "batch norm": 0.9, "dropout": 0.02}, "seeds": (0, 1, 2, 3, 4), **settings}))
    lock = json.loads((folder / "study.lock").read_text())
    kinds = {"published": Published, "conclusions": Conclusion}
    full = {key: written(parsed(kinds[key], each, key) for each in value) if key in kinds else value for key, value in reported.items()}
    (folder / "study.lock").write_text(json.dumps(lock | {"reported": full}))
    return Results(folder)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return made(tmp_path_factory.mktemp("runs") / "full", REPORTED)


@pytest.fixture(scope="module")
def page(full: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full.report(tmp_path_factory.mktemp("pages") / "page.html")


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Results:
    reported = REPORTED | {"budget": "short", "short": {"gives_up": "Most <images>."}}
    return made(tmp_path_factory.mktemp("runs") / "cut", reported, seeds=(0, 1, 2))


class TestPublishedAndFound:
    def test_a_printed_number_lies_within_beyond_or_apart_from_ours(self, full: Results) -> None:
        table = full.table("published")
        ours = 100 * full.runs().groupby("arm")["test_accuracy"].mean()["baseline"]
        assert table["mean"][0] == pytest.approx(ours)
        assert list(table["relation"]) == ["lower" if ours > 79.3 else "higher", "higher", "not comparable", "not run"]
        last = 100 * full.runs().groupby("arm")["last_validation_accuracy"].mean()["batch norm"]
        assert table["mean"][1] == pytest.approx(last)
        assert table["why"][2] == "the report sums it"

    def test_a_printed_number_at_our_mean_is_within(self, full: Results, tmp_path: Path) -> None:
        ours = round(full.table("published")["mean"][0], 1)
        again = made(tmp_path / "again", REPORTED | {"published": [{"row": "S3", "value": ours, "said": "x"}]})
        assert section(again).numbers[0]["sentence"] == "within our interval"

    def test_conclusions_stand_or_fall_by_our_paired_difference(self, full: Results) -> None:
        table = full.table("conclusions")
        assert list(table["stands"][:2]) == ["stands", "contradicted"]
        assert table["stands"][3] == "not run"
        assert table["effect"][0] == pytest.approx(full.compare().contrasts[0].effect)
        assert table["effect"][1] == pytest.approx(full.compare(baseline="dropout").contrasts[1].effect)

    def test_a_difference_that_is_not_shown_leaves_a_conclusion_undecided(self, full: Results) -> None:
        row = full.table("conclusions").iloc[2]
        assert row["stands"] == {"undecided": "undecided", "no difference": "stands"}[full.compare().contrasts[1].verdict.kind]

    def test_a_conclusion_about_a_target_that_no_finished_run_reached_says_so(self, tmp_path: Path) -> None:
        claim = {"row": "P5", "says": "faster", "arm": "batch norm", "against": "baseline", "direction": "better", "metric": "epochs_to_accuracy_100"}
        row = made(tmp_path / "far", REPORTED | {"conclusions": [claim]}, seeds=(0, 1), images=60).table("conclusions").iloc[0]
        assert row["stands"] == "undecided"
        assert row["sentence"].startswith("validation accuracy never reached 100 %: baseline seed 0, 1")

    def test_at_the_short_budget_no_number_is_comparable_and_the_page_says_what_was_given_up(self, cut: Results) -> None:
        assert set(cut.table("published")["relation"]) <= {"not comparable", "not run"}
        told = section(cut)
        assert told.numbers[0]["sentence"] == "not comparable: short budget: Most <images>."
        assert told.short == "Most <images>."

    @pytest.mark.slow
    def test_the_page_of_the_short_budget_says_what_was_given_up(self, cut: Results) -> None:
        page = build(cut, cut.compare())
        assert "It gives up: Most &lt;images&gt;." in page
        assert "Stands at the short budget" in page

    def test_the_page_shows_and_keeps_it_and_escapes_it(self, full: Results, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        assert 'id="published"' in text
        assert 'id="method-prediction"' in text
        shown = text.partition('<script type="application/json"')[0]
        assert "&lt;b&gt;it&lt;/b&gt; harms" in shown
        assert "<b>it</b>" not in shown
        assert "<79.3>" not in shown
        kept = ct.load(page)
        assert section(kept) == section(full)

    def test_a_study_that_says_nothing_of_reports_has_no_such_section(self, tmp_path: Path) -> None:
        results = made(tmp_path / "silent", {}, seeds=(0, 1), images=60)
        assert not section(results)
        assert "published" not in "".join(line.plain for line in lines(results, results.compare()))

    def test_the_terminal_tells_it_in_a_few_lines(self, full: Results) -> None:
        text = "\n".join(line.plain for line in lines(full, full.compare()))
        assert "published 0 of 2 numbers within our intervals; 2 numbers not comparable" in text
        assert re.search(r"stands +S3, batch norm helps: batch norm helps by ", text)


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs" / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked() -> Study:
    """The study that `full` is made for, with text that would be mark-up."""
    given = {**FILE, "name": "made", "question": "Does <b>batch</b> | norm help?", "conclusions": [], "published": []}
    return Study.parse(given, trust=False)


class TestIndex:
    @pytest.mark.slow
    def test_what_is_kept_is_left_alone_until_its_recipes_change(self, gallery: ModuleType, full: Results, tmp_path: Path) -> None:
        gallery.keep(asked(), "short", full, 12.0, tmp_path)
        assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
            "conclusions.csv", "published.csv", "record.json", "report.html", "results.csv", "verdicts.txt",
        ]  # fmt: skip
        assert gallery.is_kept(asked(), "short", tmp_path)
        assert not gallery.is_kept(asked(), "full", tmp_path)
        other = Study.parse({**asked().spec(), "short": {**FILE["short"], "base": {"epochs": 2}}}, trust=False)
        assert not gallery.is_kept(other, "short", tmp_path)

    def test_a_record_names_command_seeds_seconds_and_versions_and_no_machine(self, gallery: ModuleType, full: Results) -> None:
        import platform

        record = gallery.record(asked(), "short", full, 12.0)
        assert record["command"] == "contrast run made budget=short"
        assert record["seeds"] == [0, 1, 2, 3, 4]
        assert record["seconds"] == pytest.approx(full.runs()["seconds"].sum(), abs=0.1)
        assert "torch" in record["versions"]
        assert platform.node() not in json.dumps(record)

    def test_a_message_loses_the_places_of_this_machine(self, gallery: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONTRAST_DATA", "/somewhere/data")
        assert gallery.without_places(f"put it into /somewhere/data/weights or {Path.home()}/x") == "put it into $CONTRAST_DATA/weights or ~/x"

    def test_a_card_shows_what_came_out_and_one_that_was_not_run_says_so(self, page: Path) -> None:
        done = cards.card(asked(), restore(page), {"command": "contrast run made budget=short", "budget": "short", "date": "2026-11-21"})
        undone = cards.card(study(name="undone"), None, {"why_not": "fetch <alexnet.pth> into $CONTRAST_DATA/weights"})
        written = cards.page([done, undone])
        assert "<alexnet.pth>" not in written
        index = html.unescape(written).replace("\u00a0", " ")
        assert "1 of 2 studies have been run" in index
        assert done.answer in index
        assert "<svg" in index
        assert "short budget" in index
        assert "Not run: fetch <alexnet.pth> into $CONTRAST_DATA/weights" in index
        assert undone.verdict == "not run"

    def test_the_index_asks_no_network_runs_nothing_and_escapes(self, page: Path) -> None:
        index = cards.page([cards.card(asked(), restore(page)), cards.card(study())])
        assert "<script" not in index
        assert "content=\"default-src 'none'; style-src 'sha256-" in html.unescape(index)
        assert re.findall(r'(?:src|href)="(?!#|\.\./|made/report\.html)[^"]*"', index) == []
        assert "<b>batch</b>" not in index
        ids = re.findall(r'\bid="([^"]+)"', index)
        assert len(ids) == len(set(ids))

    def test_the_markdown_index_is_a_table_whatever_a_question_holds(self) -> None:
        told = cards.markdown([cards.card(asked())])
        row = next(line for line in told.splitlines() if "batch" in line)
        assert row.startswith(r"| Does \<b\>batch\</b\> \| norm help? | N4, S6 | – | not run |")

    def test_studies_stand_in_the_order_of_the_reports(self) -> None:
        names = ["P3", "S9", "U1", "S10", "best"]
        every = [study(name=name, source=[] if name == "best" else [name.replace("S10", "N1")]) for name in names]
        assert [one.name for one in sorted(every, key=cards.order)] == ["S9", "U1", "P3", "S10", "best"]
