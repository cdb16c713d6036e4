"""The order in which an epoch shows its training images: a function of (seed, epoch, image ids), drawn on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from contrast import keyed
from contrast.errors import InputError
from contrast.sampling import Sampling, weights_of

if TYPE_CHECKING:
    from contrast.engine.training import LoadedData

_UNIT = 1 << 32


class Order(Protocol):
    """Which images an epoch shows."""

    def __len__(self) -> int:
        """Images shown in an epoch."""

    def of_epoch(self, seed: int, epoch: int) -> tuple[Tensor, Tensor | None]:
        """Positions ``int64 [M]``, and the number of earlier showings of each in the epoch, ``int64 [M]``; None where there are none."""


class Shuffled:
    """Every image once, in a new order in each epoch.

    Args:
        keys: ``int64 [N]``, the numbers of the image ids.
        count: how many of them are shown.
    """

    def __init__(self, keys: Tensor, count: int | None = None) -> None:
        self.keys, self.count = keys, len(keys) if count is None else count

    def __len__(self) -> int:
        return self.count

    def of_epoch(self, seed: int, epoch: int) -> tuple[Tensor, Tensor | None]:
        """See `Order`."""
        return keyed.permutation(seed, "order", epoch, self.keys)[: self.count], None


class Weighted:
    """Images without replacement, likelier ones first (Efraimidis & Spirakis 2006, the smallest of Exp(1) / weight).

    With equal weights this is the order of `Shuffled`, since both sort by the same draws.

    Args:
        keys: ``int64 [N]``.
        weights: of each image, ``float [N]``, 0 for what is never shown.
        count: how many are shown, at most as many as have a weight above 0.
    """

    def __init__(self, keys: Tensor, weights: Tensor, count: int) -> None:
        self.keys, self.count = keys, count
        self._rates = weights.to(torch.float32 if keys.device.type == "mps" else torch.float64)

    def __len__(self) -> int:
        return self.count

    def of_epoch(self, seed: int, epoch: int) -> tuple[Tensor, Tensor | None]:
        """See `Order`."""
        bits = keyed.hashed(keyed.derive(seed, "order", epoch), self.keys)
        unit = (bits.to(self._rates.dtype) * 2.0**-64 + 0.5).clamp(0, 1 - 2.0**-24)
        return torch.argsort(-torch.log1p(-unit) / self._rates, stable=True)[: self.count], None


class Balanced:
    """As many images of each class as the smallest has, others in each epoch.

    Args:
        keys: ``int64 [N]``.
        labels: ``int64 [N]``.
        each: images of each class.
        classes: how many there are.
    """

    def __init__(self, keys: Tensor, labels: Tensor, each: int, classes: int) -> None:
        self.keys, self.labels, self.each, self.classes = keys, labels, each, classes

    def __len__(self) -> int:
        return self.each * self.classes

    def of_epoch(self, seed: int, epoch: int) -> tuple[Tensor, Tensor | None]:
        """See `Order`."""
        order = keyed.permutation(seed, "order", epoch, self.keys)
        is_late = earlier(self.labels.index_select(0, order)) >= self.each
        return order.index_select(0, torch.argsort(is_late.to(torch.int8), stable=True)[: len(self)]), None


class Replaced:
    """Draws with replacement: a class by its probability, then one of its images, all as likely.

    Integers alone decide, so that every device draws the same.

    Args:
        keys: ``int64 [N]``.
        labels: ``int64 [N]``.
        masses: probability of each class, up to a factor, ``float [classes]``; 0 for those without an image.
        count: draws in an epoch.
    """

    def __init__(self, keys: Tensor, labels: Tensor, masses: Tensor, count: int) -> None:
        by_id = torch.argsort(keys, stable=True)
        self._members = by_id.index_select(0, torch.argsort(labels.index_select(0, by_id), stable=True))
        self._sizes = torch.bincount(labels, minlength=len(masses))
        self._starts = self._sizes.cumsum(0) - self._sizes
        shares = masses.double().cpu().cumsum(0)
        bounds = torch.round(shares / shares[-1] * _UNIT).long()
        self._bounds, self.count = bounds.to(keys.device), count

    def __len__(self) -> int:
        return self.count

    def of_epoch(self, seed: int, epoch: int) -> tuple[Tensor, Tensor | None]:
        """See `Order`."""
        numbers = torch.arange(self.count, device=self._members.device)
        draws = keyed.Draws(keyed.hashed(keyed.derive(seed, "sample", epoch), numbers))
        kinds = torch.searchsorted(self._bounds, draws.bits("class") & (_UNIT - 1), right=True)
        within = draws.integers("image", 0, self._sizes.index_select(0, kinds))
        chosen = self._members.index_select(0, self._starts.index_select(0, kinds) + within)
        return chosen, earlier(chosen)


def earlier(values: Tensor) -> Tensor:
    """How many equal values stand before each one, ``int64 [N]``."""
    order = torch.argsort(values, stable=True)
    in_order = values.index_select(0, order)
    numbers = torch.arange(len(values), device=values.device)
    begins = torch.ones_like(in_order, dtype=torch.bool)
    begins[1:] = in_order[1:] != in_order[:-1]
    firsts = torch.where(begins, numbers, 0).cummax(0).values
    return torch.empty_like(numbers).index_copy_(0, order, numbers - firsts)


def order_of(sampling: Sampling | None, data: LoadedData, batch_size: int) -> Order:
    """The order that a recipe asks for, over the training images.

    Raises:
        InputError: the weights do not fit the classes, or there are fewer images to show than asked for or than a batch holds.
    """
    keys, labels = data.train.keys, data.train.labels
    if sampling is None:
        return Shuffled(keys)
    sizes = torch.bincount(labels, minlength=len(data.classes)).cpu()
    made = _made(sampling, keys, labels, _masses(sampling, sizes, data.classes), sizes)
    if len(made) < batch_size:
        right = f"take a batch_size of at most {len(made)}, or replacement: true"
        raise InputError(f"an epoch shows {len(made)} images, fewer than a batch of {batch_size}", where="sampler", right=right)
    return made


def _made(sampling: Sampling, keys: Tensor, labels: Tensor, masses: Tensor, sizes: Tensor) -> Order:
    if sampling.replacement:
        return Replaced(keys, labels, masses, _count(sampling, len(keys), None))
    if sampling.use == "balanced":
        each = int(sizes.min())
        return Balanced(keys, labels, _count(sampling, each * len(sizes), each * len(sizes)) // len(sizes), len(sizes))
    if sampling.use == "uniform":
        return Shuffled(keys, _count(sampling, len(keys), len(keys)))
    weights = (masses / sizes.clamp(min=1)).to(keys.device).index_select(0, labels)
    there = int(sizes[masses > 0].sum())
    return Weighted(keys, weights, _count(sampling, there, there))


def _masses(sampling: Sampling, sizes: Tensor, classes: tuple[str, ...]) -> Tensor:
    """Probability of each class, up to a factor, ``float64 [classes]``."""
    if sampling.use == "balanced":
        return (sizes > 0).double()
    if sampling.use == "uniform":
        return sizes.double()
    try:
        weights = torch.tensor(weights_of(sampling, classes), dtype=torch.float64)
    except ValueError as error:
        raise InputError(str(error), where="sampler.weights", right=f"give one for each of: {', '.join(classes[:10])}") from None
    return weights * sizes


def _count(sampling: Sampling, there: int, most: int | None) -> int:
    """Images in an epoch."""
    asked = sampling.images
    count = there if asked is None else asked if isinstance(asked, int) else round(asked * there)
    if count < 1 or (most is not None and count > most):
        right = f"give at most {most}, or replacement: true" if most is not None else "give more"
        raise InputError(f"{asked} asks for {count} of {there} images", where="sampler.images", right=right)
    return count
