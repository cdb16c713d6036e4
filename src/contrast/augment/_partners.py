"""Pairs of images inside a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from contrast.keyed import Draws


def partners(draws: Draws, purpose: str) -> Tensor:
    """The position of each image's partner, ``int64 [B]``.

    The batch is put in the order of the images' own draws, and each image's partner is the next in it, the last one's
    the first. So a batch is paired in the same way in whichever order it stands, each image is once a partner, and
    none its own, unless it is alone.
    """
    order = torch.argsort(draws.bits(purpose), stable=True)
    return torch.empty_like(order).scatter_(0, order, order.roll(-1))
