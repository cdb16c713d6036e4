"""`compile: true`: the same training to rounding, and one compilation for all runs of one shape."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import counters

from contrast.engine.training import Training
from tests.engine.made import small, trained

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler"),
    pytest.mark.filterwarnings("ignore::Warning:torch"),  # the compiler's own
]

NET = {"model": {"use": "convnet", "channels": [8, 8], "norm": "batch", "dropout": 0.2}, "epochs": 2}


def timed(folder: Path, **changes: object) -> tuple[Training, float]:
    """A finished training, and its seconds."""
    began = time.perf_counter()
    return trained(small(**NET, **changes), folder), time.perf_counter() - began


def test_a_compiled_training_is_the_plain_one_to_rounding_and_later_runs_of_its_shape_compile_nothing(tmp_path):
    plain, _ = timed(tmp_path / "plain")
    torch._dynamo.reset()
    counters.clear()
    compiled, first = timed(tmp_path / "compiled", compile=True)
    count = counters["stats"]["unique_graphs"]
    other, second = timed(tmp_path / "other", compile=True, optimizer={"use": "sgd", "lr": 0.05}, seed=1)
    for name, values in plain.state.model.state_dict().items():
        torch.testing.assert_close(compiled.state.model.state_dict()[name], values, rtol=1e-3, atol=1e-4, msg=name)
    assert count > 0
    assert counters["stats"]["unique_graphs"] == count
    assert second < first
    assert other.state.step == compiled.state.step
