"""What a person types: exit codes, what goes to stdout, and one line on stderr for whatever is wrong."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from contrast.cli import main
from contrast.errors import InputError
from contrast.results import Results

MODEL = "model: {use: mlp, hidden: [4]}"
TINY = f"base:\n  data: {{use: synthetic, images: 60, size: 8}}\n  {MODEL}\n  epochs: 1\n  batch_size: 8\n"
STUDY = f"question: Is it wider?\n{TINY}arms:\n  wide: {{model.hidden: [16]}}\nseeds: 2\n"


NETS = """
import torch

class Net(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(classes))

    def forward(self, images):
        return images.flatten(1)[:, : len(self.bias)] + self.bias

def net(shape, classes, width=3):
    return Net(classes)
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str


Typed = Callable[..., Said]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working folder, no data but what a test makes, and no trace in the user's folders."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONTRAST_DATA", raising=False)
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    def say(*words: str) -> Said:
        capsys.readouterr()
        code = main([*words])
        return Said(code, *capsys.readouterr())

    return say


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny study that the command line carried out; `answer.txt` beside it is what it said."""
    place = tmp_path_factory.mktemp("cli")
    (place / "tiny.yaml").write_text(STUDY, encoding="utf-8")
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.chdir(place)
        assert main(["run", "tiny.yaml", "--quiet"]) == 0
    (place / "answer.txt").write_text(said.getvalue(), encoding="utf-8")
    return place / "runs" / "tiny"


def told(said: Said) -> str:
    """The one line that a wrong input gives: exit code 2, nothing on stdout, no traceback."""
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("contrast: ")
    assert said.err.endswith("\n")
    assert said.err.count("\n") == 1
    return said.err.removeprefix("contrast: ").strip()


def write(name: str, text: str = STUDY) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def images(folder: str, **counts: int) -> None:
    for number, (name, count) in enumerate(counts.items()):
        (Path(folder) / name).mkdir(parents=True)
        for k in range(count):
            Image.fromarray(np.full((8, 8, 3), 20 * k + number, np.uint8)).save(Path(folder) / name / f"{k}.png")


def with_data(data: str) -> str:
    return write("s.yaml", f"base:\n  data: {data}\n  {MODEL}\n  batch_size: 2\n")


class TestWrongStudies:
    """Everything that can be known before the first step is told before it, by `--dry-run` as by the run itself."""

    @pytest.fixture(params=[["--dry-run"], []], ids=["dry run", "run"])
    def line(self, request: pytest.FixtureRequest, typed: Typed) -> Callable[..., str]:
        def say(*words: str) -> str:
            line = told(typed("run", *words, *request.param))
            assert not Path("runs").exists()
            return line

        return say

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "s.yaml: is no study; a study has keys such as question, base, arms, seeds"),
            ("question: x\n", "s.yaml: base: is missing; give the recipe of the baseline: data, model, optimizer …"),
            ("base: [1,\n", "s.yaml: line 2, column 1: "),
            ("base: {data: cifar1, model: mlp}", "s.yaml: base.data: there is no data 'cifar1'; did you mean 'cifar10'? (allowed: "),
            ("base: {data: synthetic, model: mlp, epoch: 3}", "s.yaml: base.epoch: unknown setting; did you mean 'epochs'? ("),
            (TINY + "arms: {a: {epochs: 1}}", "s.yaml: arms.a: changes nothing: its recipe is the baseline's; change a setting, or leave it out"),
            (TINY + "arms:\n  a: {epochs: 2}\n  a: {epochs: 3}\n", 's.yaml: line 8, column 3: found duplicate key "a"'),
            (TINY + "arms: {epochs 2: {batch_size: 4}}\nsweep: {epochs: [2]}", "s.yaml: sweep.epochs 2: two arms have this name; "),
            (TINY + "arms: {a: {model.norm: bach}}", "s.yaml: arms.a.model.norm: \"bach\" is wrong; did you mean 'batch'? (allowed: batch, "),
            (
                TINY.replace("batch_size: 8", "batch_size: 99"),
                "s.yaml: base.batch_size: 99 is more than the 38 training images; take a smaller batch",
            ),
            (TINY + "arms: {big: {batch_size: 99}}", "s.yaml: arms.big.batch_size: 99 is more than the 38 training images; take a smaller batch"),
            (
                TINY + "arms: {deep: {model: {use: convnet, channels: [4, 4, 4, 4]}}}",
                "s.yaml: arms.deep.model, layer 'block4.pool': a 2×2 window does not fit the 1×1 maps that arrive there; use fewer blocks, ",
            ),
            (
                TINY + "arms: {wide: {augment.crop: {padding: 8, mode: reflect}}}",
                "s.yaml: arms.wide.augment.crop.padding: images of 8×8 can't be reflected 8 pixels far; give at most 7",
            ),
            (
                TINY + "arms: {gray: {augment.normalize: {statistics: given, mean: [0.5], std: [0.2]}}}",
                "s.yaml: arms.gray.augment.normalize: given statistics are for 1 channels, the images have 3; give 3 numbers",
            ),
            (TINY + "arms: {weighted: {loss.class_weights: [1.0, 2.0]}}", "s.yaml: arms.weighted.loss"),
            (
                "base: {data: synthetic, model: 'some_nets:Net'}",
                "s.yaml: base.model: model 'some_nets:Net' is code from outside the package and would be ",
            ),
        ],
        ids=range(16),
    )
    def test_is_told_in_one_line_with_the_file_and_the_key_path(self, line: Callable[..., str], text: str, message: str) -> None:
        assert line(write("s.yaml", text)).startswith(message)

    def test_data_that_is_not_there_says_where_it_was_looked_for_and_how_to_get_it(self, line: Callable[..., str], tmp_path: Path) -> None:
        Path("data").mkdir()
        said = line(with_data("cifar10"), "--data", "data")
        assert said.startswith(f"s.yaml: base.data: CIFAR-10 was not found: looked in {tmp_path / 'data'}")
        assert "; get https://www.cs.toronto.edu/" in said

    @pytest.mark.parametrize(
        ("counts", "message"),
        [
            ({"cat": 5}, "holds one class folder only ('cat'); two classes are the least"),
            ({"cat": 5, "dog": 0}, "class 'dog' has no image; put images there, or leave it out: exclude: ['dog']"),
            ({}, "does not exist; name a folder of class folders"),
        ],
        ids=["one class", "empty class", "no folder"],
    )
    def test_a_folder_that_holds_no_two_classes_is_told(self, line: Callable[..., str], tmp_path: Path, counts: dict[str, int], message: str) -> None:
        images("pets", **counts)
        assert line(with_data("{use: folder, path: pets}"), "--data", ".").startswith("s.yaml: base.data: ")
        assert f"{tmp_path / 'pets'}: {message}" in line(with_data(f"{{use: folder, path: {tmp_path}/pets}}"))

    def test_an_image_that_can_not_be_read_is_named(self, line: Callable[..., str], tmp_path: Path) -> None:
        images("pets", cat=5, dog=5)
        Path("pets/dog/3.png").write_bytes(b"no image")
        said = line(with_data("{use: folder, path: pets}"), "--data", ".")
        assert said.startswith(f"s.yaml: base.data: {tmp_path / 'pets'}: of 10 files, 1 file that is no usable image found: 'dog/3.png' is no image")

    def test_a_network_from_outside_that_fails_is_named(self, line: Callable[..., str]) -> None:
        write(
            "nets_of_the_cli_test.py",
            "import torch\n\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        raise RuntimeError('boom\\nbang')\n",
        )
        said = line(write("s.yaml", TINY.replace("{use: mlp, hidden: [4]}", "'nets_of_the_cli_test:Net'")), "--trust-code")
        assert said == "s.yaml: base.model: does not run on images of 8×8 (boom); give images that its layers can take, or change its settings"
        sys.modules.pop("nets_of_the_cli_test")

    @pytest.mark.parametrize("runs", ["file", "file/below"])
    def test_a_runs_folder_that_can_not_be_written_is_told(self, line: Callable[..., str], tmp_path: Path, runs: str) -> None:
        write("file", "")
        assert line(write("s.yaml"), "--runs", runs).endswith("file: is a file, not a folder; name another folder")


class TestWrongWords:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["rnu"], 'Unknown command "rnu". Did you mean "run"?'),
            (["r\x1b[31mnu"], 'Unknown command "r\\x1b[31mnu".'),
            (["run"], 'Command "run" parameter STUDY requires an argument.'),
            (["run", "s.yaml", "--no-such"], "Unknown option: --no-such."),
            (["run", "s.yaml", "--executor", "ray"], 'Invalid value "ray" for --executor. Choose from: "inline", "local", "stacked", "fastest".'),
            (["run", "s.yaml", "--workers", "x"], 'Invalid value for --workers: unable to convert "x" into int.'),
            (["run", "s.yaml", "--workers", "2"], "--workers: is for runs side by side; add --executor local"),
            (["run", "s.yaml", "--executor", "local", "--workers", "0"], "--workers: 0 is wrong; it should be a whole number of at least 1 ("),
            (["run", "s.yaml", "--data", "nowhere"], "--data nowhere: is no folder; give the folder that holds the data sets"),
            (["run", "nosuch.yaml"], "nosuch.yaml: there is no such file; give a study file or the name of a shipped study"),
            (["run", "quickstrat"], "there is no study 'quickstrat'; did you mean 'quickstart'? ("),
            (["run", "s.yaml", "epochs"], "command line: 'epochs' is no path=value; write e.g. epochs=3"),
            (["run", "s.yaml", "epochs=x"], 'command line: epochs: "x" is wrong; it should be a whole number from 1'),
            (["run", "s.yaml", "epochs=[1"], "command line: epochs: line 1, column 3: "),
            (["run", "s.yaml", "epochs=1", "epochs=2"], "command line: epochs: is given twice; give it once"),
            (["run", "s.yaml", "epoch=2"], "command line: epoch: unknown setting; did you mean 'epochs'? ("),
            (["run", "s.yaml", "optimizer.lr=-1"], "command line: optimizer.lr: -1 is wrong; it should be a number of at least 0 (learning rate)"),
            (["run", "s.yaml", "seed=3"], "command line: base.seed: a study has its seeds for all arms; write seeds: [3]"),
            (["run", "s.yaml", "model=os.path:join"], "command line: model: model 'os.path:join' is code from outside the package and would be run"),
            (["list", "modl"], "there is no kind 'modl'; did you mean 'model'? ("),
            (["status", "nowhere"], "nowhere: this is not the folder of a study; there is no such folder"),
            (["table", "nowhere"], "nowhere: this is not the folder of a study; there is no such folder"),
            (["compare", "nowhere"], "nowhere: this is not the folder of a study; there is no such folder"),
            (["report", "."], ".: this is not the folder of a study; give the folder that holds study.lock"),
            (["table", "x", "--by", "arms"], 'Invalid value "arms" for --by. Choose from: "arm", "run", "epoch", "image", "ablation"'),
            (["table", "x", "--format", "xls"], 'Invalid value "xls" for --format.'),
            (["data", "nosuch"], "there is no data set 'nosuch'; allowed: "),
            (["data", "synthetic", "size=x"], 'command line: size: "x" is wrong; it should be a whole number from 4 to 512 ('),
            (["model", "resnt"], "command line: there is no model 'resnt'; "),
            (["model", "convnet", "chanels=3"], "command line: chanels: unknown setting; did you mean 'channels'? ("),
            (["model", "convnet", "--input", "3x4"], "--input: '3x4' is no image shape; write channels x height x width, e.g. 3x32x32"),
            (["model", "convnet", "--input", "3x4x4"], "model, layer 'block3.pool': a 2×2 window does not fit the 1×1 maps that arrive there; "),
            (["model", "convnet", "--classes", "0"], "--classes: 0 is wrong; give at least 1"),
            (["model", "os.path:join"], "command line: model 'os.path:join' is code from outside the package and would be run; add --trust-code"),
            (["doctor", "--data", "nowhere"], "--data nowhere: is no folder; give the folder that holds the data sets"),
            (["run", "\x1b[31m\n.yaml"], "\\x1b[31m\\n.yaml: there is no such file; "),
        ],
        ids=lambda value: " ".join(value).encode("unicode_escape").decode() if isinstance(value, list) else "",
    )
    def test_are_told_in_one_line(self, typed: Typed, words: list[str], message: str) -> None:
        write("s.yaml")
        assert told(typed(*words)).startswith(message)

    def test_a_fault_of_our_own_is_one_line_with_a_log(self, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("contrast.report.listing.render", lambda *given: 1 / 0)
        said = typed("list")
        assert (said.code, said.out, said.err.count("\n")) == (70, "", 1)
        log = Path(said.err.strip().rpartition(" with ")[2])
        assert "a fault of our own (ZeroDivisionError)" in said.err
        assert "division by zero" in log.read_text(encoding="utf-8")

    @pytest.mark.parametrize(("thrown", "code"), [(KeyboardInterrupt(), 130), (OSError(28, "No space left on device", "there"), 1)])
    def test_interrupts_and_a_full_disk_have_codes_of_their_own(
        self, typed: Typed, monkeypatch: pytest.MonkeyPatch, thrown: BaseException, code: int
    ) -> None:
        def throw(*given: Any) -> None:
            raise thrown

        monkeypatch.setattr("contrast.report.listing.render", throw)
        said = typed("list")
        assert (said.code, said.out, said.err.count("\n")) == (code, "", 1)


class TestDryRun:
    def test_prints_runs_differences_losses_and_disk_and_writes_nothing(self, typed: Typed, tmp_path: Path) -> None:
        arms = "arms:\n  adam: {optimizer: adam}\n  'n\\oise \x1b': {augment.flip: {p: 0.3}}\ngrid: {model.norm: [none, batch]}\n"
        write("s.yaml", TINY + "  optimizer: {use: sgd, momentum: 0.9}\n" + arms.replace("\x1b", "") + "seeds: 2\nquestion: Why?\n")
        before = sorted(tmp_path.rglob("*"))
        said = typed("run", "s.yaml", "--dry-run")
        assert (said.code, said.err) == (0, "")
        for words in (
            "Why?",
            "5 arms × 2 seeds: 8 runs, 8 to do; about ",
            "data  synthetic: 38 train, 10 validation, 12 test; 4 classes; 3×8×8",
            "arm   adam: 792 parameters; 100.0 % of them start as in the baseline",
            "        optimizer.use: sgd → adam",
            "        loses optimizer.momentum 0.9",
            "        augment.flip.p: — → 0.3",
            "arm   norm none: ",
            "        shares the runs of baseline",
            "note  'norm none' and 'baseline' are one recipe: they share their runs.",
        ):
            assert words in said.out, words
        assert said.out.index("adam-seed0-") < said.out.index("n-oise-seed0-") < said.out.index("adam-seed1-")
        assert sorted(tmp_path.rglob("*")) == before

    def test_of_a_finished_study_has_nothing_to_do(self, typed: Typed, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(finished.parents[1])
        assert "2 arms × 2 seeds: 4 runs, 0 to do; " in typed("run", "tiny.yaml", "--dry-run").out
        assert "2 arms × 3 seeds: 6 runs, 2 to do; " in typed("run", "tiny.yaml", "seeds=3", "--dry-run").out

    def test_takes_changes_from_the_command_line(self, typed: Typed) -> None:
        said = typed("run", write("s.yaml"), "--dry-run", "seeds=[7]", "model.hidden=[8,8]", "data.images=100", "augment.flip=on")
        assert "2 arms × 1 seed: 2 runs" in said.out
        assert "64 train, 16 validation, 20 test" in said.out
        assert "model.hidden: [8, 8] → [16]" in said.out
        assert "baseline-seed7-" in said.out

    def test_of_outside_code_needs_trust(self, typed: Typed) -> None:
        write("nets_beside_the_study.py", NETS)
        write("s.yaml", TINY.replace("{use: mlp, hidden: [4]}", "'nets_beside_the_study:net'"))
        assert "add --trust-code" in told(typed("run", "s.yaml", "--dry-run"))
        assert "nets_beside_the_study" not in sys.modules
        assert "arm   baseline: 4 parameters" in typed("run", "s.yaml", "--dry-run", "--trust-code").out
        sys.modules.pop("nets_beside_the_study")

    def test_the_command_that_repeats_a_study_holds_what_it_needs(self, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = []

        def keep(study: Any, doing: Any) -> None:
            kept.append(doing.command)
            raise InputError("enough")

        monkeypatch.setattr("contrast.doors.carry_out", keep)
        Path("data").mkdir()
        typed("run", write("my study.yaml"), "epochs=3", "--trust-code", "--data", "data", "--runs", "there", "--quiet")
        assert kept == ["contrast run 'my study.yaml' epochs=3 --data data --runs there --trust-code"]


class TestReading:
    def test_the_run_said_its_answer_and_where_the_page_lies(self, finished: Path) -> None:
        answer = (finished.parents[1] / "answer.txt").read_text(encoding="utf-8")
        assert "Is it wider?" in answer
        assert "± is the standard deviation over 2 seeds" in answer
        assert "runs/tiny/report.html" in answer
        assert "contrast run tiny.yaml" in answer
        assert (finished / "report.html").stat().st_size > 10_000

    def test_the_same_command_again_runs_nothing_and_says_the_same(self, typed: Typed, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(finished.parents[1])
        stamps = {path: path.stat().st_mtime_ns for path in finished.rglob("summary.json")}
        said = typed("run", "tiny.yaml", "--quiet")
        assert said.code == 0
        assert said.out == Path("answer.txt").read_text(encoding="utf-8")
        assert {path: path.stat().st_mtime_ns for path in finished.rglob("summary.json")} == stamps
        assert len(stamps) == 4

    def test_the_command_that_repeats_it_is_kept(self, finished: Path) -> None:
        assert Results(finished).lock["command"] == "contrast run tiny.yaml"

    def test_status_counts_the_runs(self, typed: Typed, finished: Path) -> None:
        assert typed("status", str(finished)) == Said(0, "4 runs: 4 finished\n", "")

    def test_a_study_is_found_by_its_name_below_runs(self, typed: Typed, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(finished.parents[1])
        assert typed("status", "tiny").out == "4 runs: 4 finished\n"

    @pytest.mark.parametrize(("by", "rows"), [("arm", 2), ("run", 4), ("epoch", 4), ("image", 48)])
    def test_tables_go_to_stdout_in_every_grain(self, typed: Typed, finished: Path, by: str, rows: int) -> None:
        said = typed("table", str(finished), "--by", by, "--format", "csv")
        assert (said.code, said.err) == (0, "")
        assert len(said.out.splitlines()) == rows + 1
        assert said.out.startswith("arm,")

    @pytest.mark.parametrize("form", ["text", "json", "markdown", "latex"])
    def test_tables_go_to_stdout_in_every_form(self, typed: Typed, finished: Path, form: str) -> None:
        said = typed("table", str(finished), "--format", form)
        assert (said.code, said.err) == (0, "")
        assert "wide" in said.out
        assert form != "json" or len(json.loads(said.out)) == 2

    def test_compare_says_a_sentence_for_each_arm(self, typed: Typed, finished: Path) -> None:
        said = typed("compare", str(finished))
        assert (said.code, said.err) == (0, "")
        assert "wide" in said.out
        assert typed("compare", str(finished), "--metric", "test_loss").code == 0
        assert typed("compare", str(finished), "--baseline", "wide", "--margin", "1").code == 0

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--metric", "test_acuracy"], "did you mean 'test_accuracy'?"),
            (["--baseline", "wid"], "did you mean 'wide'?"),
            (["--margin", "0"], "margin"),
        ],
    )
    def test_compare_tells_what_it_can_not_compare(self, typed: Typed, finished: Path, words: list[str], message: str) -> None:
        assert message in told(typed("compare", str(finished), *words))

    def test_report_writes_one_page_and_names_it(self, typed: Typed, finished: Path, tmp_path: Path) -> None:
        said = typed("report", str(finished), "--out", "page.html")
        assert (said.code, said.out) == (0, "page.html\n")
        assert "Is it wider?" in (tmp_path / "page.html").read_text(encoding="utf-8")

    def test_a_run_of_the_study_is_repeated_from_its_own_file(self, typed: Typed, finished: Path) -> None:
        run = Results(finished).planned()[1]
        said = typed("run", str(run.folder / "recipe.yaml"), "--dry-run", "--runs", "again")
        assert said.code == 0
        assert f"baseline-seed{run.seed}-{run.id[:8]}" in said.out


class TestLooking:
    @pytest.mark.parametrize(
        ("kind", "name"),
        [("model", "convnet"), ("models", "mlp"), ("data", "mnist5k"), ("datasets", "folder"), ("studies", "quickstart"), ("augment", "flip")],
    )
    def test_list_tells_a_kind_in_one_line_each(self, typed: Typed, kind: str, name: str) -> None:
        said = typed("list", kind)
        assert (said.code, said.err) == (0, "")
        assert any(line.strip().startswith(name) and len(line.split()) > 3 for line in said.out.splitlines())

    def test_list_tells_everything(self, typed: Typed) -> None:
        said = typed("list").out
        for name in (
            "studies",
            "quickstart",
            "convnet",
            "mnist5k",
            "flip",
            "adamw",
            "onecycle",
            "cross_entropy",
            "ema",
            "standard",
            "curves",
            "local",
        ):
            assert name in said

    def test_model_shows_the_layer_table(self, typed: Typed) -> None:
        said = typed("model", "convnet", "channels=[16, 32]", "head=[64]", "--input", "1x28x28")
        assert said.code == 0
        assert "105,866" in said.out

    def test_data_describes_a_set_as_text_and_json_and_draws_samples(self, typed: Typed, tmp_path: Path) -> None:
        said = typed("data", "synthetic", "images=60", "size=8", "--picture", "samples.png")
        assert said.code == 0
        assert "60" in said.out
        with Image.open(tmp_path / "samples.png") as picture:
            assert picture.size[0] > 8
        assert isinstance(json.loads(typed("data", "synthetic", "images=60", "size=8", "--format", "json").out), dict)

    def test_doctor_tells_the_machine_and_which_data_is_missing(self, typed: Typed) -> None:
        Path("data").mkdir()
        said = typed("doctor", "--data", "data")
        assert said.code == 0
        assert "mnist5k         found: 5,000 images of 1×28×28, 10 classes" in said.out
        assert "CIFAR-10 was not found" in said.out

    def test_help_and_version(self, typed: Typed) -> None:
        assert "Controlled experiments on image classifiers" in typed("--help").out
        assert "--trust-code" in typed("run", "--help").out
        assert typed("--version").out.strip() == "0.1.0"


def test_as_a_program_it_ends_with_the_same_code_and_line() -> None:
    made = subprocess.run([sys.executable, "-m", "contrast", "run", "nosuch.yaml"], capture_output=True, text=True)
    assert (made.returncode, made.stdout) == (2, "")
    assert made.stderr == "contrast: nosuch.yaml: there is no such file; give a study file or the name of a shipped study\n"
