"""Ctrl-C and SIGTERM end the command with their exit codes and one line, and the same command goes on."""

import json
import signal
import subprocess
import sys
import time

import pytest

STUDY = """
question: Is it resumable?
base:
  data: {use: synthetic, images: 2000, size: 16}
  model: {use: convnet, channels: [16, 16]}
  optimizer: {use: sgd, lr: 0.01}
  epochs: 12
  batch_size: 16
seeds: 1
"""


def begun(study, runs):
    words = [sys.executable, "-m", "contrast", "run", str(study), "--runs", str(runs)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeding_ctrl_c)


def heeding_ctrl_c():
    """As at a terminal; what is started in the background of a script has Ctrl-C ignored, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(study, runs, number, after_epoch):
    """Send a signal when a checkpoint of that epoch stands; the exit code and what was told."""
    running, deadline = begun(study, runs), time.monotonic() + 120
    while not list(runs.glob(f"*/checkpoint/*-{after_epoch:06d}.safetensors")):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(number)
    _, told = running.communicate(timeout=60)
    return running.returncode, told


@pytest.mark.slow
def test_both_signals_leave_a_study_that_the_same_command_finishes(tmp_path):
    study, runs = tmp_path / "long.yaml", tmp_path / "runs"
    study.write_text(STUDY)
    assert interrupted(study, runs, signal.SIGINT, 1) == (130, "contrast: interrupted; the same command goes on from the last checkpoint\n")
    assert interrupted(study, runs, signal.SIGTERM, 3) == (143, "contrast: ended by SIGTERM; the same command goes on from the last checkpoint\n")
    assert not list(runs.glob("*/summary.json"))
    last = begun(study, runs)
    out, _ = last.communicate(timeout=120)
    assert last.returncode == 0
    assert "Is it resumable?" in out
    (summary,) = runs.glob("*/summary.json")
    assert json.loads(summary.read_text())["epochs"] == 12
    epochs = next(runs.glob("*/epochs.csv")).read_text().splitlines()
    assert [line.split(",")[0] for line in epochs[1:]] == [str(epoch) for epoch in range(1, 13)]
