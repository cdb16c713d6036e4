"""Arms with one seed share all that they can share: that is what pairs them."""

import pytest
import torch

from contrast import keyed
from tests.engine.made import begun, small


def epochs_of_images(training, epoch=0):
    """Image id → the pixels that it shows in an epoch, and the ids in their order."""
    order = keyed.permutation(training.recipe.seed, "order", epoch, training.data.train.keys)
    ids = [training.data.train.ids[i] for i in order]
    shown = torch.cat([images for images, _ in training.batches.of_epoch(epoch)])
    return dict(zip(ids, shown, strict=False)), ids


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"use": "convnet", "channels": [8], "head": [16], "norm": "batch"}},
        {"model": {"use": "convnet", "channels": [8], "head": [16], "dropout": 0.5}},
        {"optimizer": {"use": "adam", "lr": 0.01}},
        {"epochs": 7},
        {"data": {"use": "synthetic", "images": 120, "size": 8, "validation": 24, "wrong_labels": 0.3}},
    ],
    ids=["norm", "dropout", "optimizer", "epochs", "wrong labels"],
)
def test_two_arms_that_differ_in_one_setting_share_split_order_augmentation_and_common_initial_values(tmp_path, change):
    one, other = begun(small(seed=3), tmp_path / "one"), begun(small(seed=3, **change), tmp_path / "other")
    assert one.data.split() == other.data.split()
    first, first_order = epochs_of_images(one)
    second, second_order = epochs_of_images(other)
    assert first_order == second_order
    assert all(torch.equal(first[name], second[name]) for name in first)
    common = dict(one.state.model.named_parameters())
    shared = {name: value for name, value in other.state.model.named_parameters() if name in common and value.shape == common[name].shape}
    assert len(shared) == len(common)
    assert all(torch.equal(value, common[name]) for name, value in shared.items())


def test_batch_size_changes_no_augmentation_draw_and_no_order(tmp_path):
    one, other = begun(small(batch_size=8), tmp_path / "one"), begun(small(batch_size=24), tmp_path / "other")
    first, first_order = epochs_of_images(one, epoch=5)
    second, second_order = epochs_of_images(other, epoch=5)
    assert first_order == second_order
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_adding_an_augmentation_leaves_the_draws_of_the_others_alone(tmp_path):
    one = begun(small(augment=[{"use": "flip"}]), tmp_path / "one")
    other = begun(small(augment=[{"use": "crop", "padding": 2}, {"use": "flip"}]), tmp_path / "other")
    draws = keyed.Draws.of(0, 0, one.data.train.keys)
    flips = (one.recipe.augment[0], other.recipe.augment[1])
    images, labels = torch.arange(72 * 3 * 4 * 4, dtype=torch.int64).to(torch.uint8).view(72, 3, 4, 4), torch.zeros(72, 4)
    assert torch.equal(flips[0].apply(images, labels, draws)[0], flips[1].apply(images, labels, draws)[0])


def test_seeds_differ_in_initial_values_order_and_augmentation_but_not_in_the_split(tmp_path):
    one, other = begun(small(seed=0), tmp_path / "one"), begun(small(seed=1), tmp_path / "other")
    assert one.data.split() == other.data.split()
    assert epochs_of_images(one)[1] != epochs_of_images(other)[1]
    assert not torch.equal(next(one.state.model.parameters()), next(other.state.model.parameters()))


def test_epochs_show_the_images_in_new_orders_and_each_at_most_once(tmp_path):
    training = begun(small(), tmp_path)
    orders = [epochs_of_images(training, epoch)[1] for epoch in range(3)]
    assert orders[0] != orders[1] != orders[2]
    assert all(len(set(order)) == len(order) == len(training.data.train) for order in orders)
