"""One image under each augmentation: what a network is shown in place of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from contrast import keyed
from contrast.explain.data import cell
from contrast.images import Images
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from PIL import Image

DRAWS = 7
"""How many times each augmentation is drawn."""

_CELL, _MARGIN, _NAME = 96, 4, 150
_NAME_SIZE = 12


def augmented(images: Images, position: int, step: AugmentIngredient, seed: int = 0) -> NDArray[np.uint8]:
    """One image under some draws of an augmentation.

    Every second image of the batch is another one, for augmentations that mix images.

    Args:
        images: the set.
        position: the image.
        step: the augmentation.
        seed: what is drawn from.

    Returns:
        ``uint8 [DRAWS, H, W, C]``.
    """
    others = keyed.permutation(seed, "augmented", 0, keyed.words(images.ids)).numpy()[:DRAWS]
    rows = np.stack([np.full(DRAWS, position), np.resize(others, DRAWS)], axis=1).reshape(-1)
    batch = torch.from_numpy(np.ascontiguousarray(images.pixels[rows])).permute(0, 3, 1, 2).contiguous()
    labels = torch.eye(len(images.classes))[torch.from_numpy(images.labels[rows])]
    draws = keyed.Draws.of(seed, 0, keyed.words(images.ids[at] for at in rows), torch.arange(len(rows)))
    changed, _ = step.prepare(images)(batch, labels, draws)
    shown: NDArray[np.uint8] = changed[::2].clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return shown


def augmentation_sheet(images: Images, position: int, steps: Mapping[str, AugmentIngredient], seed: int = 0) -> Image.Image:
    """A picture of one image, and below it of the same image under each augmentation, a row each.

    Args:
        images: the set.
        position: the image.
        steps: name → augmentation. One that holds at evaluation too (normalization) changes no image and is left out.
        seed: what is drawn from; the same seed draws the same picture.

    Returns:
        An RGB picture.
    """
    from PIL import Image, ImageDraw, ImageFont

    drawn = {name: augmented(images, position, step, seed) for name, step in steps.items() if not step.always}
    rows = {"as it is": images.pixels[position][None], **drawn}
    side = _CELL + _MARGIN
    sheet = Image.new("RGB", (_NAME + DRAWS * side + _MARGIN, len(rows) * side + _MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_NAME_SIZE)
    for at, (name, pixels) in enumerate(rows.items()):
        top = _MARGIN + at * side
        pen.text((_MARGIN, top + _CELL // 2 - _NAME_SIZE // 2), name, fill="black", font=font)
        for column, one in enumerate(pixels):
            picture = cell(one)
            left = _NAME + column * side
            sheet.paste(picture, (left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2))
    return sheet
