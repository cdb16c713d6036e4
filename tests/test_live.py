"""Networks and data sets given from Python as objects: they train, are what they are by their values, and stay in their process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import contrast as ct
from contrast.errors import InputError
from contrast.recipe import Recipe


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 4))


def photographs() -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    return TensorDataset(torch.randint(0, 256, (80, 3, 8, 8), generator=generator, dtype=torch.uint8), torch.arange(80) % 4)


def recipe(**given: Any) -> Recipe:
    data = {"use": "synthetic", "images": 120, "size": 8}
    return ct.Recipe(**{"data": data, "model": net(), "optimizer": {"use": "sgd", "lr": 0.1}, "epochs": 2, "batch_size": 16, **given})


def test_objects_train_and_the_best_network_comes_back_as_one_of_their_class(tmp_path: Path) -> None:
    study = ct.Study(base=recipe(data=photographs()), arms={"frozen": {"model.freeze": ["1"]}}, seeds=2)
    results = ct.run(study, runs=tmp_path)
    assert set(results.runs()["status"]) == {"finished"}
    assert isinstance(results.best("baseline").model(), nn.Sequential)
    assert any("was given as an object: its runs can't be repeated" in remark for remark in results.lock["remarks"])
    frozen = results.best("frozen").model().state_dict()
    assert torch.equal(frozen["1.weight"], net().state_dict()["1.weight"])  # what was handed over, untouched by training
    assert not torch.equal(frozen["4.weight"], net().state_dict()["4.weight"])


def test_the_id_follows_from_values_and_not_from_the_object() -> None:
    assert recipe(model=net(0)).id == recipe(model=net(0)).id
    assert recipe(model=net(0)).id != recipe(model=net(1)).id
    assert recipe(data=photographs()).id == recipe(data=photographs()).id
    other = photographs()
    other.tensors[1][0] = 3
    assert recipe(data=other).id != recipe(data=photographs()).id


def test_training_an_object_twice_gives_the_same_bits_and_leaves_the_object_alone(tmp_path: Path) -> None:
    module = net()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    first, second = (ct.run(ct.Study(base=recipe(model=module)), runs=tmp_path / name) for name in ("a", "b"))
    losses = [results.runs()["test_loss"].item() for results in (first, second)]
    assert losses[0] == losses[1]
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_another_process_and_a_file_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--executor: 'Sequential-\w+' is an object of this process, and runs would be in others; take the inline"):
        ct.run(ct.Study(base=recipe(), seeds=2), runs=tmp_path, executor="local", workers=2)
    with pytest.raises(InputError, match=r"'Sequential-0123' was an object in another Python session; give an importable factory"):
        Recipe.parse({"data": "synthetic", "model": {"use": "live/Sequential-0123"}}, trust=True)


def test_what_is_no_network_for_these_images_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model"):
        ct.run(ct.Study(base=recipe(model=nn.Sequential(nn.Flatten(), nn.Linear(5, 4)))), runs=tmp_path)
    with pytest.raises(InputError, match=r"TensorDataset\[0\]"):
        recipe(data=TensorDataset(torch.zeros(4), torch.arange(4)))
    assert np.array(list(tmp_path.iterdir())).size == 0
