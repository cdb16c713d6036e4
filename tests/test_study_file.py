"""A study file is YAML 1.2 from anyone: read with care, told with line and column where it is wrong, and written so that it reads back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contrast import study_file
from contrast.errors import InputError
from contrast.recipe import Recipe
from contrast.study import Study

BASE = "base: {data: synthetic, model: mlp}\n"


def told(text: str) -> str:
    """The message for a document that can't be read."""
    with pytest.raises(InputError) as raised:
        study_file.read_yaml(text, "s.yaml")
    assert str(raised.value).isprintable()
    return str(raised.value)


def read(folder: Path, content: str | bytes, *, trust: bool = True) -> Study:
    path = folder / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return study_file.read(path, trust=trust)


def told_of_file(folder: Path, content: str | bytes) -> str:
    with pytest.raises(InputError) as raised:
        read(folder, content)
    assert str(raised.value).isprintable()
    return str(raised.value)


class TestYaml:
    def test_is_yaml_1_2(self) -> None:
        text = "a: off\nb: yes\nc: 010\nd: 0o10\ne: 5e-4\nf: 5E-4\ng: 1e3\nh: ~\ni: true\nj: '3'\nk: 1:30\nl: no\nm: 0x10"
        values = study_file.read_yaml(text, "s.yaml").values()
        assert [*values] == ["off", "yes", 10, 8, 0.0005, 0.0005, 1000.0, None, True, "3", "1:30", "no", 16]

    def test_an_alias_stands_for_a_whole_value(self) -> None:
        assert study_file.read_yaml("a: &x {p: 1}\nb: *x", "s.yaml") == {"a": {"p": 1}, "b": {"p": 1}}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "a: 1\nb: {c: 1,\n    c: 2}",
                's.yaml: line 3, column 5: found duplicate key "c" with value "2" (original value: "1"); mend the YAML there',
            ),
            ("a: [1,", "s.yaml: line 1, column 7: expected the node content, but found '<stream end>'; mend the YAML there"),
            ("a: 1\nb: c: d", "s.yaml: line 2, column 5: mapping values are not allowed here; mend the YAML there"),
            ("a:\n\t- x", "s.yaml: line 2, column 1: found character '\\t' that cannot start any token; mend the YAML there"),
            ("a: *nope", "s.yaml: line 1, column 4: found undefined alias 'nope'; mend the YAML there"),
            ("a: 1\n---\nb: 2", "s.yaml: line 2, column 1: but found another document; mend the YAML there"),
            ("a: !!python/object/apply:os.system [ls]", "s.yaml: line 1, column 4: could not determine a constructor for the tag"),
            ("a: !!python/name:os.system", "s.yaml: line 1, column 4: could not determine a constructor for the tag"),
            ("a: !mine 3", "s.yaml: line 1, column 4: could not determine a constructor for the tag '!mine'"),
            ("? {a: 1}\n: 3", "s.yaml: line 1, column 3: found unhashable key"),
            ("a: !!binary aGVsbG8=", "s.yaml: b'hello' (bytes) is no setting; write it as text, in quotes"),
            ("a: !!set {x}", "s.yaml: {'x'} (set) is no setting; "),
            ("a: 2020-01-01", "s.yaml: 2020-01-01 (date) is no setting; write it as text, in quotes"),
            ("? [1, 2]\n: 3", "s.yaml: (1, 2) (tuple) is no setting; "),
            ("%YAML 1.1\n---\na: off", "s.yaml: line 2: asks for another YAML than 1.2; leave the %YAML line out"),
            ("a: &x {p: 1}\nb:\n  <<: *x", "s.yaml: line 3: YAML 1.2 has no merge key <<; write the settings out, or use an alias for a whole value"),
            ("a: &x 1\nb: &x 2", "s.yaml: line 2: the anchor 'x' stands twice; give each anchor a name of its own"),
            ("a: \x00", "s.yaml: unacceptable character #x0000"),
            ("a: \ud800", "s.yaml: unacceptable character #xd800"),
            ("a: " + "9" * 5000, "s.yaml: Exceeds the limit (4300 digits) for integer string conversion"),
        ],
    )
    def test_what_is_no_plain_data_is_told_with_its_place(self, text: str, message: str) -> None:
        assert told(text).startswith(message)

    BOMBS = {
        "deep": "[" * 31 + "]" * 31,
        "open": "[" * 100_000,
        "deep mappings": "{a: " * 31 + "1" + "}" * 31,
        "aliases": "a: &a [x]\nb: [" + "*a," * 101 + "]",
        "laughs": "a0: &a0 [" + "x," * 10 + "]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)),
        "merges": "a0: &a0 {k: x}\n" + "".join(f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 12)}]}}\n" for i in range(1, 9)),
        "itself": "a: &a [*a]",
        "values": "a: [" + "1," * 25_000 + "]",
        "bytes": "x: " + "y" * (1 << 18),
    }

    @pytest.mark.parametrize("name", BOMBS)
    def test_a_bomb_is_refused_before_it_takes_time_or_memory(self, name: str) -> None:
        assert told(self.BOMBS[name]).startswith("s.yaml: ")

    def test_the_largest_documents_that_are_taken_are_taken(self) -> None:
        assert study_file.read_yaml("[" * 30 + "]" * 30, "s.yaml")
        assert len(study_file.read_yaml("a: &a [x]\nb: [" + "*a," * 100 + "]", "s.yaml")["b"]) == 100

    @settings(max_examples=150, deadline=None)
    @given(st.text(alphabet=st.sampled_from("ab1.-+:,[]{}&*!|>'\"%@`#? \n\t~<=") | st.characters(), max_size=30))
    def test_any_text_is_plain_data_or_one_line(self, text: str) -> None:
        message = ""
        try:
            study_file.read_yaml(text, "s.yaml")
        except InputError as error:
            message = str(error)
        assert message == "" or message.startswith("s.yaml: ")
        assert message.isprintable()


class TestReading:
    def test_a_file_gives_the_study_its_name_unless_it_names_itself(self, tmp_path: Path) -> None:
        assert read(tmp_path, BASE).name == "mine"
        assert read(tmp_path, BASE + "name: other\n").name == "other"

    def test_yaml_and_python_say_the_same(self, tmp_path: Path) -> None:
        base = "base: {data: {use: synthetic, validation: 0.2}, model: mlp, augment: [flip]}"
        text = f"question: Why?\n{base}\narms:\n  no flip: {{augment.flip: off}}\nseeds: 3\n"
        python = Study(
            question="Why?",
            name="mine",
            base=Recipe(data={"use": "synthetic", "validation": 0.2}, model="mlp", augment=["flip"]),
            arms={"no flip": {"augment.flip": "off"}},
            seeds=3,
        )
        assert read(tmp_path, text) == python
        assert [run.folder for run in read(tmp_path, text).plan().runs] == [run.folder for run in python.plan().runs]

    def test_a_byte_order_mark_is_passed_over(self, tmp_path: Path) -> None:
        assert read(tmp_path, b"\xef\xbb\xbf" + BASE.encode()).base.model.use == "mlp"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "mine.yaml: is no study; a study has keys such as question, base, arms, seeds"),
            ("# nothing\n", "mine.yaml: is no study; "),
            ("- base\n", "mine.yaml: is no study; "),
            ("3", "mine.yaml: is no study; "),
            ("question: x\n", "mine.yaml: base: is missing; give the recipe of the baseline"),
            ("base:\n", "mine.yaml: base: is missing; "),
            ("basis: {}\n" + BASE, "mine.yaml: basis: unknown key; did you mean 'base'? ("),
            ("1: {}\n" + BASE, "mine.yaml: 1: unknown key; "),
            ("base: {data: synthetic, model: {use: mlp, hiden: [3]}}", "mine.yaml: base.model.hiden: unknown setting; did you mean 'hidden'?"),
            ("base: {data: synthetic, model: mlp, 3: 4}", "mine.yaml: base.3: unknown setting; "),
            (BASE + "arms: {1: {epochs: 3}}", "mine.yaml: arms: 1 is wrong; write it as text, in quotes"),
            (BASE + "arms:\n  a: {epochs: 3}\n  a: {epochs: 4}\n", 'mine.yaml: line 4, column 3: found duplicate key "a"'),
            (BASE + "seeds: [0, 0]\n", "mine.yaml: seeds: [0, 0] is wrong; "),
            (b"base: \xff\xfe", "can't be read: it is no UTF-8 text; give a readable study file"),
            ("x" * (1 << 18) + "é", "mine.yaml: is larger than 256 KiB; a study file is a few lines"),
        ],
        ids=range(15),
    )
    def test_what_is_no_study_is_told_with_the_file(self, tmp_path: Path, content: str | bytes, message: str) -> None:
        assert told_of_file(tmp_path, content).removeprefix(f"{tmp_path / 'mine.yaml'}: ").startswith(message)

    def test_a_folder_or_a_missing_file_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "folder.yaml").mkdir()
        with pytest.raises(InputError, match=r"folder\.yaml: can't be read: Is a directory; "):
            study_file.read(tmp_path / "folder.yaml")
        with pytest.raises(InputError, match=r"gone\.yaml: there is no such file; give a study file or the name of a shipped study"):
            study_file.find(str(tmp_path / "gone.yaml"))

    def test_shipped_studies_are_found_by_name(self) -> None:
        assert study_file.find("quickstart").name == "quickstart.yaml"
        with pytest.raises(InputError, match=r"^there is no study 'quickstrat'; did you mean 'quickstart'\?"):
            study_file.find("quickstrat")

    @pytest.mark.parametrize("name", sorted(study_file.shipped()))
    def test_every_shipped_study_can_be_planned(self, name: str) -> None:
        plan = study_file.read(study_file.find(name), trust=False).plan()
        assert len(plan.arms) > 1 or name.endswith("-best")
        assert plan.study.question.endswith("?")
        assert len(plan.study.seeds) >= 3


class TestOutsideCode:
    @pytest.fixture
    def trap(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A module that leaves a file behind when it is imported; returns where."""
        proof = tmp_path / "imported"
        code = f"from pathlib import Path\nPath({str(proof)!r}).touch()\n\ndef net(classes):\n    return None\n"
        (tmp_path / "trap_of_a_test.py").write_text(code, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        yield proof
        sys.modules.pop("trap_of_a_test", None)

    PLACES = [
        "base: {data: synthetic, model: 'trap_of_a_test:net'}\n",
        "base: {data: 'trap_of_a_test:net', model: mlp}\n",
        "base: {data: synthetic, model: mlp, augment: ['trap_of_a_test:net']}\n",
        BASE + "arms: {a: {model: 'trap_of_a_test:net'}}\n",
        BASE + "arms: {a: {'augment.trap_of_a_test:net': on}}\n",
        BASE + "sweep: {optimizer: [{use: 'trap_of_a_test:net'}]}\n",
        BASE + "grid: {model.use: ['trap_of_a_test:net']}\n",
    ]

    @pytest.mark.parametrize("text", PLACES)
    def test_nothing_is_imported_without_trust(self, tmp_path: Path, trap: Path, text: str) -> None:
        with pytest.raises(InputError, match="code from outside the package and would be run; add --trust-code"):
            read(tmp_path, text, trust=False).plan()
        assert not trap.exists()

    def test_with_trust_it_is_imported(self, tmp_path: Path, trap: Path) -> None:
        plan = read(tmp_path, self.PLACES[0], trust=True).plan()
        assert trap.exists()
        assert plan.runs[0].recipe.model.use == "trap_of_a_test:net"


class TestWriting:
    FULL: dict[str, Any] = {
        "question": "Does 'off' — or 010: \"quoted\" #, é 🎉 —\nhelp?",
        "name": "off",
        "base": {
            "data": {"use": "synthetic", "validation": 0.2},
            "model": {"use": "convnet", "channels": [8, [16, 16]]},
            "augment": ["flip"],
            "steps": 30,
        },
        "arms": {
            "off": {"augment.flip": "off"},
            "010": {"optimizer": {"use": "adam", "lr": 5e-4}},
            "null": {"clip_norm": 1e-12},
            "a: b #c\n": {"epochs": 3},
        },
        "sweep": {"model.dropout": [0.1, 0.25]},
        "grid": {"model.norm": ["none", "batch"], "optimizer": ["adam", {"use": "sgd", "momentum": 0.9}]},
        "seeds": [3, 1],
        "margin": 0.25,
        "keep": "none",
    }

    def test_a_written_study_reads_back_as_the_same(self, tmp_path: Path) -> None:
        made = Study.parse(self.FULL)
        again = read(tmp_path, study_file.write(made))
        assert again == made
        assert [run.recipe.id for run in again.plan().runs] == [run.recipe.id for run in made.plan().runs]
        assert study_file.write(again) == study_file.write(made)

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=40), st.text(min_size=1, max_size=40), st.floats(1e-9, 1e9), st.floats(0, 10))
    @example("\x85", "\u2028", 1.0, 0.0)
    @example("<<", "<<", 1.0, 0.0)
    @example(" \ufeff\x1b\t", "\n- x: &a *b !c", 1e-9, 5e-324)
    def test_any_text_and_number_reads_back_as_the_same(self, question: str, name: str, margin: float, lr: float) -> None:
        made = Study(question=question, name=name, base=Recipe(data="synthetic", model="mlp"), arms={name: {"optimizer.lr": lr}}, margin=margin)
        content = study_file.read_yaml(study_file.write(made), "s.yaml")
        assert Study.parse(content) == made

    def test_a_runs_file_is_a_study_that_repeats_the_run(self, tmp_path: Path) -> None:
        for run in Study.parse(self.FULL).plan().runs:
            text = study_file.write_run(run.recipe, "Why\n# not?", "a: b")
            again = read(tmp_path, text)
            assert (again.question, again.name) == ("Why\n# not?", "a: b")
            assert [each.recipe.id for each in again.plan().runs] == [run.recipe.id]

    def test_a_runs_file_holds_and_explains_every_setting(self) -> None:
        recipe = Recipe(data="synthetic", model="convnet", optimizer="adam", seed=3)
        text = study_file.write_run(recipe, "", "x")
        assert f"# recipe id {recipe.id}" in text
        read_back = study_file.read_yaml(text, "s.yaml")
        spec = recipe.spec()
        assert read_back["seeds"] == [spec.pop("seed")]
        assert read_back["base"] == spec
        for line, comment in [("epochs: 10", "budget: passes over the training images"), ("dropout: 0.0", "share of values that dropout sets to 0")]:
            assert any(line in each and f"# {comment}" in each for each in text.splitlines())
