"""The idx format of MNIST and the sets made after it: unsigned bytes in any number of dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from contrast.errors import InputError
from contrast.images import Images

_BYTES = 0x08


def parse_idx(content: bytes, where: str, dimensions: int) -> NDArray[np.uint8]:
    """The array of an idx file of unsigned bytes (LeCun's format: magic number, big-endian sizes, values).

    Returns:
        ``uint8``, of the sizes that the file states (read-only).

    Raises:
        InputError: the magic number is another, or the values do not fill the sizes.
    """
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes([0, 0, _BYTES, dimensions]):
        raise InputError(f"is no idx file of bytes in {dimensions} dimensions", where=where, right="get the file again")
    sizes = np.frombuffer(content, ">u4", dimensions, offset=4).astype(np.int64)
    if int(np.prod(sizes)) != len(content) - start:
        told = f"holds {len(content) - start:,} values where its head says {' × '.join(map(str, sizes))}"
        raise InputError(told, where=where, right="get the file again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


def images_of(parts: Mapping[str, tuple[bytes, bytes]], classes: Sequence[str]) -> Images:
    """The set that pairs of idx files hold, gray: ``uint8 [N, H, W, 1]``; an image's id is its part and number.

    Args:
        parts: part → contents of its file of images and of its file of labels.
        classes: class names in the order of the labels.

    Raises:
        InputError: a file is no idx file, there is not one label an image, or a label stands for no class.
    """
    pixels = {part: parse_idx(images, f"{part} images", dimensions=3) for part, (images, _) in parts.items()}
    labels = {part: parse_idx(content, f"{part} labels", dimensions=1) for part, (_, content) in parts.items()}
    for part in parts:
        if len(pixels[part]) != len(labels[part]) or labels[part].max(initial=0) >= len(classes):
            raise InputError(f"is not one label from 0 to {len(classes) - 1} an image", where=f"{part} labels", right="get the files again")
    ids = tuple(f"{part}/{i}" for part in parts for i in range(len(labels[part])))
    owners = np.concatenate([np.full(len(labels[part]), part) for part in parts])
    together = np.concatenate(list(pixels.values()))[..., None]
    return Images(together, np.concatenate(list(labels.values())).astype(np.int64), ids, tuple(classes), owners)
