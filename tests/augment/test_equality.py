"""Each augmentation equals torchvision's functional transform of each single image with the parameters that were drawn.

Tolerances, in bytes, are stated a test. Where none is, equality is exact. Bytes are cut or rounded once or several
times on the way; where float arithmetic in another order falls on the other side of a whole number, it shows as 1.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.augment.made import applied, augment, batch, draws, labels, made_of
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from contrast import keyed
from contrast.augment._geometry import _sources
from contrast.augment._policy import OPERATIONS
from contrast.augment.color_jitter import BLENDS

COUNT = 64
SIZES = [(12, 10), (32, 32), (17, 23)]
of_sizes = pytest.mark.parametrize(("height", "width"), SIZES)
of_channels = pytest.mark.parametrize("channels", [1, 3])


def each(images: Tensor, transform: Callable[[Tensor, int], Tensor]) -> Tensor:
    """What a transform of single images gives, number by number."""
    return torch.stack([transform(image.contiguous(), number) for number, image in enumerate(images)])


def furthest(one: Tensor, other: Tensor) -> int:
    return int((one.int() - other.int()).abs().max())


def differing(one: Tensor, other: Tensor) -> float:
    return (one != other).double().mean().item()


def assert_nearest(out: Tensor, wanted: Tensor, inverse: Tensor) -> None:
    """Equal, but where a pixel comes from within 10⁻⁴ of the border of two, float rounding may take either."""
    places = torch.stack(_sources(inverse.double(), *out.shape[2:]))
    unclear = ((places - places.floor() - 0.5).abs() < 1e-4).any(0)[:, None].expand_as(out)
    assert torch.equal(out[~unclear], wanted[~unclear])
    assert unclear.double().mean() < 0.01


@of_channels
@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_vflip(channels: int, p: float) -> None:
    images = batch(channels=channels)
    chosen = draws().uniform("vflip") < p
    wanted = each(images, lambda image, i: functional.vertical_flip(image) if chosen[i] else image)
    assert torch.equal(applied(images, use="vflip", p=p), wanted)


@of_channels
@of_sizes
@pytest.mark.parametrize("fill", [0, 200])
def test_rotate_to_the_nearest(channels: int, height: int, width: int, fill: int) -> None:
    images, item = batch(COUNT, channels, height, width), augment(use="rotate", degrees=180, fill=fill)
    angles = item.angles(draws()).tolist()
    wanted = each(images, lambda image, i: functional.rotate(image, angles[i], fill=fill))
    assert_nearest(item.apply(images, labels(), draws())[0], wanted, made_of(item.angles(draws())))


@of_channels
@of_sizes
@pytest.mark.parametrize("fill", [0, 200])
def test_rotate_blended_within_1(channels: int, height: int, width: int, fill: int) -> None:
    images, item = batch(COUNT, channels, height, width), augment(use="rotate", degrees=180, fill=fill, interpolation="bilinear")
    angles = item.angles(draws()).tolist()
    wanted = each(images, lambda image, i: functional.rotate(image, angles[i], InterpolationMode.BILINEAR, fill=fill))
    out = item.apply(images, labels(), draws())[0]
    assert furthest(out, wanted) <= 1
    assert differing(out, wanted) < 1e-3


@of_channels
@of_sizes
@pytest.mark.parametrize("fill", [0, 200])
def test_translate(channels: int, height: int, width: int, fill: int) -> None:
    images, item = batch(COUNT, channels, height, width), augment(use="translate", fraction=0.3, fill=fill)
    right, down = (shift.tolist() for shift in item.shifts(draws(), height, width))
    wanted = each(images, lambda image, i: functional.affine(image, 0.0, [right[i], down[i]], 1.0, [0.0, 0.0], fill=fill))
    assert torch.equal(item.apply(images, labels(), draws())[0], wanted)


@of_channels
@of_sizes
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_affine(channels: int, height: int, width: int, interpolation: str) -> None:
    images = batch(COUNT, channels, height, width)
    item = augment(use="affine", degrees=90, translate=0.3, scale=[0.5, 2.0], shear=30, interpolation=interpolation, fill=99)
    motion = item.motion(draws(), height, width)
    angle, right, down, scale, shear = (part.tolist() for part in (motion.angle, motion.right, motion.down, motion.scale, motion.shear_x))
    wanted = each(
        images,
        lambda image, i: functional.affine(
            image, angle[i], [right[i], down[i]], scale[i], [shear[i], 0.0], InterpolationMode(interpolation), fill=99
        ),
    )
    out = item.apply(images, labels(), draws())[0]
    if interpolation == "nearest":
        assert_nearest(out, wanted, motion.inverse())
    else:
        assert furthest(out, wanted) <= 1
        assert differing(out, wanted) < 1e-3


@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_grayscale(p: float) -> None:
    images = batch(256)
    chosen = draws(256).uniform("grayscale") < p
    wanted = each(images, lambda image, i: functional.rgb_to_grayscale(image, 3) if chosen[i] else image)
    assert torch.equal(applied(images, use="grayscale", p=p), wanted)


def jittered(image: Tensor, factors: dict[str, float], order: list[str]) -> Tensor:
    for name in order:
        image = getattr(functional, f"adjust_{name}")(image, factors[name])
    return image


@of_channels
@of_sizes
@pytest.mark.parametrize("amounts", [(0.1, 0.1, 0.1, 0.05), (0.8, 0.8, 0.8, 0.5), (0, 0.9, 0, 0.1), (0, 0, 0, 0.5), (0.5, 0, 0.5, 0)])
def test_color_jitter_within_2_and_nearly_always_exactly(channels: int, height: int, width: int, amounts: tuple[float, ...]) -> None:
    """A byte that falls on the other side of a whole number is 1 off, and what comes after may double that."""
    images, item = batch(COUNT, channels, height, width), augment(use="color_jitter", **dict(zip((*BLENDS, "hue"), amounts, strict=True)))
    drawn = item.jitter(draws())
    wanted = []
    for number, image in enumerate(images):
        order = [BLENDS[place] for place in drawn.order[:, number]]
        factors = dict(zip(order, drawn.factors[:, number].tolist(), strict=True)) | {"hue": drawn.turns[number].item()}
        order.insert(int(drawn.before[number]), "hue")
        wanted.append(jittered(image.contiguous(), factors, order))
    out = item.apply(images, labels(), draws())[0]
    assert furthest(out, torch.stack(wanted)) <= 2
    assert differing(out, torch.stack(wanted)) < 1e-3


def test_hue_alone_within_1_for_every_hue_and_shift() -> None:
    colors = torch.cartesian_prod(*[torch.tensor([0, 1, 7, 100, 101, 254, 255])] * 3).to(torch.uint8).T.reshape(3, 7, 49)
    item, many = augment(use="color_jitter", brightness=0, contrast=0, saturation=0, hue=0.5), draws(200)
    turns = item.jitter(many).turns.tolist()
    images = colors.expand(200, -1, -1, -1)
    wanted = each(images, lambda image, i: functional.adjust_hue(image, turns[i]))
    out = item.apply(images, labels(200), many)[0]
    assert furthest(out, wanted) <= 1
    assert differing(out, wanted) < 1e-3


@of_channels
@of_sizes
def test_erase(channels: int, height: int, width: int) -> None:
    images, item = batch(COUNT, channels, height, width), augment(use="erase", p=0.7, value=77)
    top, left, rows, columns = (part.tolist() for part in item.boxes(draws(), height, width))
    fill = torch.full((channels, 1, 1), 77, dtype=torch.uint8)
    wanted = each(images, lambda image, i: functional.erase(image, top[i], left[i], rows[i], columns[i], fill))
    out = item.apply(images, labels(), draws())[0]
    assert torch.equal(out, wanted)
    assert 0.5 < sum(count > 0 for count in rows) / COUNT < 0.9


def test_erase_by_random_bytes_keeps_what_is_outside() -> None:
    images, item = torch.full((COUNT, 3, 12, 10), 50, dtype=torch.uint8), augment(use="erase", p=1.0, value="random")
    out = item.apply(images, labels(), draws())[0]
    inside = item.boxes(draws(), 12, 10).mask(images).view(COUNT, 12, 10, 3).permute(0, 3, 1, 2) == 255
    assert torch.equal(out[~inside], images[~inside])
    assert (torch.bincount(out[inside].long(), minlength=256) > 0).all()


@pytest.mark.parametrize("value", [9, "mean"])
def test_cutout_is_the_square_of_the_authors_code(value: int | str) -> None:
    images, item = batch(), augment(use="cutout", size=6, value=value)
    boxes = item.boxes(draws(), 12, 10)
    mean = images.double().mean((0, 2, 3)).round().to(torch.uint8)

    def cut(image: Tensor, i: int) -> Tensor:
        y, x = int(boxes.top[i]) + 3, int(boxes.left[i]) + 3
        image = image.clone()
        image[:, max(y - 3, 0) : min(y + 3, 12), max(x - 3, 0) : min(x + 3, 10)] = 9 if value == 9 else mean[:, None, None]
        return image

    assert torch.equal(applied(images, use="cutout", size=6, value=value), each(images, cut))


@of_channels
@of_sizes
def test_random_resized_crop_within_1(channels: int, height: int, width: int) -> None:
    """torchvision enlarges bytes in whole-number arithmetic, in two rounds, and rounds after each."""
    images, item = batch(COUNT, channels, height, width), augment(use="random_resized_crop")
    top, left, rows, columns = (part.tolist() for part in item.boxes(draws(), height, width))
    wanted = each(images, lambda image, i: functional.resized_crop(image, top[i], left[i], rows[i], columns[i], [height, width], antialias=True))
    exact = each(images.float(), lambda image, i: functional.resized_crop(image, top[i], left[i], rows[i], columns[i], [height, width]))
    out = item.apply(images, labels(), draws())[0]
    assert furthest(out, wanted) <= 1
    assert (out - exact).abs().max() <= 0.5 + 1e-3


def test_mixup_equals_torchvisions_of_each_pair_rounded() -> None:
    images, rows, share = batch(), labels(), draws().beta("mixup share", 0.4)
    out, mixed = augment(use="mixup", alpha=0.4).apply(images, rows, draws())
    partner = partners_of("mixup")
    for number in range(COUNT):
        pair = torch.stack((images[partner[number]], images[number])).float()
        transform, lam = v2.MixUp(alpha=0.4), share[number].item()
        wanted = transform.transform(pair, {"labels": None, "lam": lam, "batch_size": 2})[1]
        assert (out[number] - wanted).abs().max() <= 0.5 + 1e-4
        torch.testing.assert_close(mixed[number], lam * rows[number] + (1 - lam) * rows[partner[number]])


def test_cutmix_equals_torchvisions_of_each_pair() -> None:
    images, rows, item = batch(), labels(), augment(use="cutmix")
    out, mixed = item.apply(images, rows, draws())
    partner, boxes = partners_of("cutmix"), item.boxes(draws(), 12, 10)
    for number in range(COUNT):
        top, left, height, width = (int(part[number]) for part in boxes)
        pair = torch.stack((images[partner[number]], images[number]))
        params = {"labels": None, "box": (left, top, left + width, top + height), "batch_size": 2}
        assert torch.equal(out[number], v2.CutMix().transform(pair, params)[1])
        share = 1 - height * width / 120
        torch.testing.assert_close(mixed[number], share * rows[number] + (1 - share) * rows[partner[number]])


def partners_of(name: str) -> list[int]:
    """Found from the outside: labels that tell each image apart, half mixed, show where the other half comes from."""
    order = sorted(range(COUNT), key=lambda i: int(draws().bits(f"{name} partner")[i]))
    return [order[(order.index(i) + 1) % COUNT] for i in range(COUNT)]


def test_one_of_equals_the_option_drawn() -> None:
    images = batch(256)
    options = [{"use": "flip", "p": 1.0}, {"use": "rotate", "degrees": 180}, {"use": "vflip", "p": 1.0}]
    item = augment(use="one_of", options=options, weights=[0.85, 1, 0.15])
    choice = item.choice(draws(256))
    parts = [option.apply(images, labels(256), draws(256).within("one_of", number))[0] for number, option in enumerate(item.options)]
    wanted = torch.stack([parts[int(number)][i] for i, number in enumerate(choice)])
    assert torch.equal(item.apply(images, labels(256), draws(256))[0], wanted)
    assert torch.equal(parts[0], functional.horizontal_flip(images))


def test_one_of_is_drawn_apart_from_the_same_augmentation_beside_it() -> None:
    many = keyed.Draws.of(0, 0, torch.arange(4000))
    outside = many.uniform("flip") < 0.5
    inside = many.within("one_of", 0).uniform("flip") < 0.5
    assert abs((outside == inside).double().mean() - 0.5) < 4 * 0.5 / 4000**0.5


def policy_wanted(image: Tensor, name: str, magnitude: float) -> Tensor:
    """What torchvision's own policies do."""
    spelled = {"autocontrast": "AutoContrast"}.get(name, "".join(word.capitalize() for word in name.split("_")))
    return v2.RandAugment()._apply_image_or_video_transform(image, spelled, magnitude, InterpolationMode.NEAREST, {Tensor: 0})


@of_channels
@of_sizes
@pytest.mark.parametrize("use", ["randaugment", "trivialaugment"])
def test_policy_operations(use: str, channels: int, height: int, width: int) -> None:
    """Exact, but for shears at a border of two pixels, and for the blends of contrast, within 1."""
    many = draws(256)
    images = batch(256, channels, height, width)
    item = augment(use=use, **({"num_ops": 1} if use == "randaugment" else {}))
    drawn = item.drawn(many, 0, height, width) if use == "randaugment" else item.drawn(many)
    out = item.apply(images, labels(256), many)[0]
    seen = set()
    for number, (operation, magnitude) in enumerate(zip(drawn.operation.tolist(), drawn.magnitude.tolist(), strict=True)):
        name, image = OPERATIONS[operation], images[number].contiguous()
        wanted = policy_wanted(image, name, magnitude)
        allowed = 0.3 if name.startswith("shear") else 0.02 if name == "rotate" else 0
        if allowed:
            nearby = torch.stack([wanted.roll(shift, dim) for dim in (1, 2) for shift in (-1, 0, 1)])
            at_border = (out[number] != wanted).any(0)
            assert ((out[number] == nearby).any(0) | (wanted == 0) | (out[number] == 0)).all(), name
            assert at_border.double().mean() <= allowed, (name, magnitude)
        else:
            assert furthest(out[number], wanted) <= (name == "contrast"), (name, magnitude)
            assert differing(out[number], wanted) < 0.02, (name, magnitude)
        seen.add(name)
    assert seen == set(OPERATIONS)
