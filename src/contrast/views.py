"""Views of an image in evaluation: copies mirrored and shifted, over whose logits a network's answer is averaged."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional

from contrast.evaluation import Views


def logits(model: nn.Module, images: Tensor, views: Views) -> Tensor:
    """What a network says of images: the weighted mean of its logits over their views.

    Args:
        model: in evaluation mode.
        images: ``float [B, C, H, W]``, normalized.
        views: see `seen`.

    Returns:
        ``float32 [B, classes]``.
    """
    said: list[Tensor] = [weight * model(view).float() for weight, view in seen(images, views)]
    return sum(said[1:], start=said[0])


def seen(images: Tensor, views: Views) -> Iterator[tuple[float, Tensor]]:
    """Each view of images, and its weight.

    ``mirror`` is the image and its mirror image, half each. ``mirror and shift`` gives half of that weight to these two, and
    half to them moved by one pixel up and to the left, and down and to the right, the edge being reflected (Jordan 2024,
    github.com/KellerJordan/cifar10-airbench).
    """
    if views == "none":
        yield 1.0, images
        return
    places = [(0.5, images)]
    if views == "mirror and shift":
        height, width = images.shape[2:]
        padded = functional.pad(images, (1, 1, 1, 1), mode="reflect")
        shifted = (padded[:, :, :height, :width], padded[:, :, 2 : 2 + height, 2 : 2 + width])
        places = [(0.25, images), *((0.125, moved) for moved in shifted)]
    for weight, place in places:
        yield weight, place
        yield weight, place.flip(3)
