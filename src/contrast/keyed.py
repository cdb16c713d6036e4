"""All randomness: every draw is a function of (seed, purpose, counters), so that runs share what they can share.

Integer draws come from a counter-based hash (SplitMix64's finalizer, Steele, Lea & Flood 2014, applied once a counter)
in wrapping 64-bit arithmetic, which every device carries out alike: the integers are the same on CPU and GPU.
Initial values and dropout masks come from `torch.Generator`s whose seeds are derived in the same way.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from contrast.errors import InputError

_STRIDE = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)
_MASK = (1 << 64) - 1

Drawn = TypeVar("Drawn")


@lru_cache(maxsize=65536)
def word(name: str | int) -> int:
    """A 63-bit number for a name (BLAKE2b); an integer stands for itself."""
    if isinstance(name, int):
        return name & (_MASK >> 1)
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 1


def words(names: Iterable[str]) -> Tensor:
    """The numbers (`word`) of many names, e.g. image ids, as ``int64 [N]``."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return _shift(torch.frombuffer(bytearray(digests), dtype=torch.int64), 1) if digests else torch.empty(0, dtype=torch.int64)


def _mix_int(x: int) -> int:
    x = ((x ^ (x >> 30)) * (_FIRST & _MASK)) & _MASK
    x = ((x ^ (x >> 27)) * (_SECOND & _MASK)) & _MASK
    return x ^ (x >> 31)


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, e.g. ``derive(3, "initial", "block1.conv.weight")``."""
    state = _mix_int(word(seed))
    for part in purpose:
        state = _mix_int((state + (_STRIDE & _MASK) + word(part)) & _MASK)
    return state >> 1


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)  # int64 shifts drag the sign along; the mask takes it off


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift(x, 30)) * _FIRST
    x = (x ^ _shift(x, 27)) * _SECOND
    return x ^ _shift(x, 31)


def hashed(key: int | Tensor, *counters: int | Tensor) -> Tensor:
    """One 64-bit draw for each combination of counters.

    Args:
        key: what `derive` gave, or a tensor of keys.
        counters: integers or ``int64`` tensors that broadcast.

    Returns:
        ``int64``, all 64 bits random, of the broadcast shape.
    """
    state = torch.as_tensor(key, dtype=torch.int64)
    for counter in counters:
        state = _mix(state + _STRIDE + counter)
    return state


def permutation(seed: int, purpose: str, counter: int, ids: Tensor) -> Tensor:
    """A random order of `ids` (``int64 [N]``, see `words`): positions, ``int64 [N]``, on the device of `ids`.

    The order is that of the ids' own draws, so a subset keeps the order that its members had in the whole.
    """
    return torch.argsort(hashed(derive(seed, purpose, counter), ids), stable=True)


class Draws:
    """The random numbers of one batch: one stream an image, one substream a purpose.

    Args:
        keys: ``int64 [B]``, one an image, a function of (seed, epoch, image id, occurrence).
    """

    def __init__(self, keys: Tensor) -> None:
        self.keys = keys
        self._earlier: Callable[[], tuple[Draws, int]] | None = None

    @classmethod
    def of(cls, seed: int, epoch: int, ids: Tensor, occurrence: int | Tensor = 0) -> Draws:
        """The draws of images `ids` (``int64 [B]``) in an epoch; `occurrence` tells a second showing from the first."""
        draws = cls(hashed(derive(seed, "augment", epoch), ids, occurrence))
        draws._earlier = lambda: (cls(hashed(derive(seed, "augment", 0), ids, occurrence)), epoch)
        return draws

    def first(self) -> tuple[Draws, int]:
        """The draws that the same images have in the first epoch, and the number of epochs since.

        Raises:
            InputError: these are draws of a part of an augmentation, which don't tell the epoch.
        """
        if self._earlier is None:
            raise InputError("what follows the epoch can't be drawn here", where="augment", right="let it stand in the list by itself")
        return self._earlier()

    def __len__(self) -> int:
        return len(self.keys)

    def bits(self, purpose: str | tuple[str, ...]) -> Tensor:
        """64 random bits an image, ``int64 [B]``; for several purposes at once, in little more time, ``[purposes, B]``."""
        return hashed(self.keys, word(purpose) if isinstance(purpose, str) else _column(purpose, self.keys.device))

    def uniform(self, purpose: str | tuple[str, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform in [low, high), ``float32``, of the shape of `bits`."""
        unit = _shift(self.bits(purpose), 40).to(torch.float32) * 2.0**-24
        return unit if (low, high) == (0.0, 1.0) else low + (high - low) * unit

    def integers(self, purpose: str | tuple[str, ...], low: int, high: int | Tensor) -> Tensor:
        """Integers in [low, high), ``int64``, of the shape of `bits`; the span, one for all or one an image, is at most 2**31."""
        return low + ((_shift(self.bits(purpose), 32) * (high - low)) >> 32)

    def beta(self, purpose: str, alpha: float) -> Tensor:
        """Beta(alpha, alpha) to 16 bits of probability, ``float32 [B]``: of its 65,536 middle quantiles, one is drawn."""
        return _beta_quantiles(alpha, self.keys.device).index_select(0, _shift(self.bits(purpose), 48))

    def bytes(self, purpose: str, count: int) -> Tensor:
        """Random bytes, ``uint8 [B, count]``."""
        counters = torch.arange((count + 7) // 8, device=self.keys.device)
        return hashed(self.keys[:, None], word(purpose), counters).view(torch.uint8)[:, :count]

    def within(self, purpose: str, counter: int | Tensor = 0) -> Draws:
        """The draws of one part of an augmentation, independent of the whole's.

        Args:
            purpose: what the part is, e.g. an attempt, or a nested augmentation.
            counter: which one; a tensor ``int64 [N, 1]`` gives keys, and so draws, ``[N, B]``.
        """
        return Draws(hashed(self.keys, word(purpose), counter))

    def batches(self, size: int) -> list[Draws]:
        """The draws of batches of some size, together; what one of them asks for is computed for all of them at once."""
        kept: dict[object, Any] = {}
        return [_BatchDraws(self, slice(start, start + size), kept) for start in range(0, len(self.keys), size)]

    def together(self, name: object, compute: Callable[[Draws], Drawn]) -> tuple[Drawn, slice]:
        """What follows from draws image by image: computed for all batches that are drawn together, or kept of an earlier one.

        Args:
            name: what it is; hashable, the same for all these batches.
            compute: from the draws of all their images.

        Returns:
            What was computed, and where this batch's images stand in it.
        """
        return compute(self), slice(None)


class _BatchDraws(Draws):
    """The numbers of `Draws` of one batch's keys, cut out of those of several batches: many small tensors cost more than one.

    Args:
        whole: of several batches, keys ``int64 [N]``.
        where: this batch's.
        kept: what has been computed of the whole, for all its batches.
    """

    def __init__(self, whole: Draws, where: slice, kept: dict[object, Any]) -> None:
        super().__init__(whole.keys[where])
        self._whole, self._where, self._kept = whole, where, kept

    def together(self, name: object, compute: Callable[[Draws], Drawn]) -> tuple[Drawn, slice]:
        if name not in self._kept:
            self._kept[name] = compute(self._whole)
        return self._kept[name], self._where

    def bits(self, purpose: str | tuple[str, ...]) -> Tensor:
        return self._part("bits", purpose)

    def uniform(self, purpose: str | tuple[str, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        return self._part("uniform", purpose, low, high)

    def integers(self, purpose: str | tuple[str, ...], low: int, high: int | Tensor) -> Tensor:
        return super().integers(purpose, low, high) if isinstance(high, Tensor) else self._part("integers", purpose, low, high)

    def beta(self, purpose: str, alpha: float) -> Tensor:
        return self._part("beta", purpose, alpha)

    def within(self, purpose: str, counter: int | Tensor = 0) -> Draws:
        if isinstance(counter, Tensor):
            return super().within(purpose, counter)
        name = ("within", purpose, counter)
        whole, where = self.together(name, lambda all_of_them: all_of_them.within(purpose, counter))
        return _BatchDraws(whole, where, self._kept.setdefault(("asked of", name), {}))

    def first(self) -> tuple[Draws, int]:
        (whole, epochs), where = self.together("first", lambda all_of_them: all_of_them.first())
        return Draws(whole.keys[where]), epochs

    def _part(self, verb: str, *given: object) -> Tensor:
        drawn, where = self.together((verb, *given), lambda all_of_them: getattr(all_of_them, verb)(*given))
        part: Tensor = drawn[..., where]
        return part


@lru_cache(maxsize=256)
def _column(purposes: tuple[str, ...], device: torch.device) -> Tensor:
    return torch.tensor([[word(purpose)] for purpose in purposes], device=device)


@lru_cache(maxsize=16)
def _beta_quantiles(alpha: float, device: torch.device) -> Tensor:
    from scipy import special

    probabilities = torch.arange(0.5, 1 << 16, dtype=torch.float64).numpy() / (1 << 16)
    return torch.as_tensor(special.betaincinv(alpha, alpha, probabilities), dtype=torch.float32, device=device)


def generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for one purpose, for draws in bulk (initial values, dropout masks)."""
    return torch.Generator(device).manual_seed(derive(seed, *purpose))


@contextlib.contextmanager
def seeded(seed: int, *purpose: str | int) -> Iterator[None]:
    """Run code that draws from torch's global generator (outside constructors) under one derived seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, *purpose))
        yield


class Moment:
    """Where a training stands, shared by the modules that draw masks; the loop sets `step` before each forward pass, and `part` of a batch."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.step = 0
        self.part = 0

    def __deepcopy__(self, memo: dict[int, object]) -> Moment:
        """Copies of a model stay with the training that they belong to."""
        return self


class Dropout(torch.nn.Module):
    """Dropout (Srivastava et al. 2014) whose mask is a function of (seed, module name, step, part of the batch).

    `bind` tells it its name and the moment; before that, and in `eval` mode, it passes its input on.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.name = ""
        self.moment: Moment | None = None
        self._generator: torch.Generator | None = None

    def extra_repr(self) -> str:
        return f"p={self.p}"

    @property
    def draws(self) -> bool:
        """Whether values are dropped now."""
        return self.training and self.p > 0 and self.moment is not None

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask(x) if self.draws else x

    def mask(self, x: Tensor) -> Tensor:
        """What the values of `x` are multiplied by at this moment, in its shape, layout and dtype; the values themselves change nothing."""
        assert self.moment is not None
        if self._generator is None or self._generator.device != x.device:
            self._generator = torch.Generator(x.device)
        part = (self.moment.part,) if self.moment.part else ()
        self._generator.manual_seed(derive(self.moment.seed, "dropout", self.name, self.moment.step, *part))
        return self._kept(x, self._generator)

    def _kept(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """0 for what is dropped and one over the rest's share for what is kept, in the layout and dtype of `x`.

        16 random bits a value: on a CPU several times as fast as `bernoulli_`, and the rate is `p` to within 2⁻¹⁷.
        """
        bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device).random_(-(1 << 63), None, generator=generator)
        draws = bits.view(torch.int16)[: x.numel()].as_strided(x.shape, torch.empty_like(x, device="meta").stride())
        dropped = min(round(self.p * 65536), 65535)
        return (draws >= dropped - 32768).to(x.dtype).mul_(65536 / (65536 - dropped))


def bind(model: torch.nn.Module, seed: int) -> Moment:
    """Tell every keyed module of a model its name and a shared moment, which is returned."""
    moment = Moment(seed)
    for name, module in model.named_modules():
        if isinstance(module, Dropout):
            module.name, module.moment = name, moment
    return moment
