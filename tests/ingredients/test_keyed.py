"""Keyed randomness: each draw is a function of (seed, purpose, counters), uniform, and independent of all others."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from contrast import keyed

COUNT = 1 << 16
IDS = keyed.words(f"train/{i}" for i in range(COUNT))


def uniform(seed: int = 0, epoch: int = 0, purpose: str = "flip", occurrence: int = 0) -> Tensor:
    return keyed.Draws.of(seed, epoch, IDS, occurrence).uniform(purpose)


def test_integer_draws_keep_their_golden_values() -> None:
    """Changing these numbers changes every study's draws, and so is a breach unless a release says so."""
    assert keyed.word("train/17") == 4005820444666552950
    assert keyed.derive(3, "initial", "block1.conv.weight") == 210735790371827223
    draws = keyed.Draws.of(1, 2, keyed.words(["train/0", "train/1", "test/0"]), 0)
    assert draws.bits("flip").tolist() == [437518811643680191, -333808559205329650, 4859415048628952077]
    assert draws.uniform("flip").tolist() == [0.023717939853668213, 0.981904149055481, 0.2634294033050537]
    assert draws.integers("crop row", 0, 9).tolist() == [4, 7, 7]
    assert keyed.permutation(5, "order", 1, IDS[:8]).tolist() == [2, 1, 3, 5, 6, 4, 7, 0]


def test_hash_is_splitmix64_of_each_counter() -> None:
    """The first outputs of SplitMix64 from state 0, from Vigna's reference implementation."""
    stride = 0x9E3779B97F4A7C15
    counters = torch.tensor([0, stride - (1 << 64)])
    assert [value & ((1 << 64) - 1) for value in keyed.hashed(0, counters).tolist()] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_tensor_arithmetic_equals_plain_integers() -> None:
    key = keyed.derive(9, "purpose", 4)
    state = keyed._mix_int((key + (keyed._STRIDE & keyed._MASK) + keyed.word("train/3")) & keyed._MASK)
    assert keyed.hashed(key, IDS[3:4]).item() & keyed._MASK == state


def test_one_image_draws_the_same_alone_and_in_a_batch() -> None:
    whole = keyed.Draws.of(1, 2, IDS[:100], 0).bits("flip")
    assert whole[41] == keyed.Draws.of(1, 2, IDS[41:42], 0).bits("flip")[0]


def test_words_of_many_names_are_those_of_each() -> None:
    assert keyed.words(["a", "ä", "train/3"]).tolist() == [keyed.word("a"), keyed.word("ä"), keyed.word("train/3")]
    assert keyed.words([]).shape == (0,)


@pytest.mark.parametrize("bins", [2, 10, 256])
def test_uniform_draws_fill_all_bins_alike(bins: int) -> None:
    draws = uniform().numpy()
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = np.histogram(draws, bins=bins, range=(0, 1))[0]
    assert 1e-3 < stats.chisquare(counts).pvalue < 1 - 1e-3


@pytest.mark.parametrize("span", [2, 9, 1000])
def test_integer_draws_are_uniform_over_their_span(span: int) -> None:
    draws = keyed.Draws.of(0, 1, IDS).integers("crop row", -3, span - 3).numpy()
    assert (draws.min(), draws.max()) == (-3, span - 4)
    assert 1e-3 < stats.chisquare(np.bincount(draws + 3, minlength=span)).pvalue < 1 - 1e-3


def test_every_bit_is_as_often_set_as_not() -> None:
    bits = keyed.Draws.of(0, 0, IDS).bits("flip")
    shares = torch.stack([((bits >> k) & 1).double().mean() for k in range(64)])
    assert ((shares - 0.5).abs() < 5 * 0.5 / COUNT**0.5).all()


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"epoch": 1},
        {"purpose": "crop row"},
        {"occurrence": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_draws_that_differ_in_one_part_of_their_key_are_uncorrelated(other: dict[str, int]) -> None:
    first, second = uniform().numpy(), uniform(**other).numpy()
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / COUNT**0.5
    cells = np.histogram2d(first, second, bins=16, range=[[0, 1], [0, 1]])[0].ravel()
    assert stats.chisquare(cells).pvalue > 1e-3


def test_neighbors_in_id_are_uncorrelated() -> None:
    numbered = keyed.Draws.of(0, 0, torch.arange(COUNT)).uniform("flip").numpy()
    for draws in (uniform().numpy(), numbered):
        for lag in (1, 2, 256):
            assert abs(np.corrcoef(draws[:-lag], draws[lag:])[0, 1]) < 5 / COUNT**0.5


def test_permutation_holds_every_position_once_and_changes_with_the_epoch() -> None:
    orders = [keyed.permutation(0, "order", epoch, IDS[:1000]) for epoch in range(3)]
    assert all(torch.equal(order.sort().values, torch.arange(1000)) for order in orders)
    assert not torch.equal(orders[0], orders[1])


def test_subset_keeps_the_order_that_its_members_have_in_the_whole() -> None:
    members = torch.arange(0, 1000, 7)
    whole = keyed.permutation(0, "order", 4, IDS[:1000])
    part = keyed.permutation(0, "order", 4, IDS[:1000][members])
    assert members[part].tolist() == [i for i in whole.tolist() if i % 7 == 0]


def test_permutation_puts_each_image_everywhere_alike() -> None:
    places = np.stack([keyed.permutation(0, "order", epoch, IDS[:8]).numpy() for epoch in range(4000)])
    for image in range(8):
        counts = np.bincount(np.argwhere(places == image)[:, 1], minlength=8)
        assert stats.chisquare(counts).pvalue > 1e-4


def test_seeded_code_leaves_the_global_generator_as_it_was() -> None:
    before = torch.random.get_rng_state()
    with keyed.seeded(1, "construct"):
        first = torch.rand(3)
    with keyed.seeded(1, "construct"):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.random.get_rng_state(), before)


def masks(net: nn.Module, moment: keyed.Moment, step: int, shape: tuple[int, ...] = (64, 512)) -> Tensor:
    moment.step = step
    out: Tensor = net.train()(torch.ones(shape))
    return out


class TestDropout:
    def bound(self, p: float = 0.25, seed: int = 0, name: str = "dropout") -> tuple[nn.Module, keyed.Moment]:
        net = nn.Sequential()
        net.add_module(name, keyed.Dropout(p))
        return net, keyed.bind(net, seed)

    def test_mask_is_a_function_of_seed_name_and_step(self) -> None:
        net, moment = self.bound()
        kept = masks(net, moment, 5)
        assert torch.equal(masks(*self.bound(), 5), kept)
        for other in (self.bound(seed=1), self.bound(name="dropout2")):
            assert not torch.equal(masks(*other, 5), kept)
        assert not torch.equal(masks(net, moment, 6), kept)
        assert torch.equal(masks(net, moment, 5), kept)

    def test_neither_reads_nor_moves_the_global_generator(self) -> None:
        net, moment = self.bound()
        first = masks(net, moment, 1)
        torch.rand(1)
        before = torch.random.get_rng_state()
        assert torch.equal(masks(net, moment, 1), first)
        assert torch.equal(torch.random.get_rng_state(), before)

    @pytest.mark.parametrize("p", [0.001, 0.1, 0.25, 0.5, 0.9])
    def test_drops_its_share_and_keeps_the_mean(self, p: float) -> None:
        out = masks(*self.bound(p), 0, (1000, 1000))
        assert abs((out == 0).double().mean().item() - p) < 4 * (p * (1 - p) / 1e6) ** 0.5
        assert out[out != 0].unique().numel() == 1
        assert out.max().item() == pytest.approx(1 / (1 - p), rel=2**-16 / (1 - p))

    def test_masks_of_two_steps_are_independent(self) -> None:
        net, moment = self.bound(0.5)
        first, second = ((masks(net, moment, step, (400, 400)) == 0).double().flatten() for step in (0, 1))
        assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1].item()) < 5 / 400
        assert abs(torch.corrcoef(torch.stack([first[:-1], first[1:]]))[0, 1].item()) < 5 / 400

    @pytest.mark.parametrize("count", [1, 2, 3, 5, 7])
    def test_any_number_of_values_gets_a_mask(self, count: int) -> None:
        net, moment = self.bound(0.5)
        assert torch.cat([masks(net, moment, step, (1, count)) for step in range(64)]).unique().tolist() == [0, 2]

    def test_keeps_dtype_layout_and_passes_gradients_through_what_is_kept(self) -> None:
        net, _ = self.bound(0.5)
        x = torch.ones(2, 3, 4, 5, dtype=torch.bfloat16).to(memory_format=torch.channels_last).requires_grad_()
        out = net.train()(x)
        assert out.dtype == torch.bfloat16
        assert out.stride() == x.stride()
        out.sum().backward()
        assert x.grad is not None
        assert torch.equal(x.grad, out.detach())

    def test_passes_its_input_on_in_evaluation_unbound_or_at_rate_0(self) -> None:
        x = torch.rand(4, 4)
        net, _ = self.bound()
        assert net.eval()(x) is x
        assert keyed.Dropout(0.5).train()(x) is x
        assert self.bound(0.0)[0].train()(x) is x

    def test_a_copied_model_stays_with_its_training(self) -> None:
        net, moment = self.bound()
        masks(net, moment, 3)
        copied = copy.deepcopy(net)
        assert torch.equal(masks(copied, moment, 9), masks(net, moment, 9))
