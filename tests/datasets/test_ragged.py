"""Images that keep their own sizes: what is kept of them, what training cuts out of them, and what everyone else is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tests.engine.made import trained
from torch import Tensor
from torchvision.transforms.v2 import functional

from contrast import catalog, decoded, keyed, resampling
from contrast.decode import LONGEST, Look, decode
from contrast.engine.batches import Batches, Part, bound
from contrast.engine.machine import resolve
from contrast.engine.ragged import RaggedPixels
from contrast.errors import InputError
from contrast.exclusions import without
from contrast.image_files import as_evaluated
from contrast.images import Images
from contrast.prepare import prepare
from contrast.protocols import DataIngredient, Places
from contrast.ragged import Ragged, cut, packed
from contrast.recipe import Recipe
from contrast.resampling import resized
from contrast.store import StudyFolder
from contrast.study import Study

SIDE, SIZE = 40, 32
SIZES = [(40, 60), (90, 41), (20, 30), (400, 8), (37, 37), (64, 300)]
"""Height and width of the files: of the bound, above it, below it, much longer than wide, square, and wider than is kept."""


def smooth(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """An image with edges and slopes, ``uint8 [height, width, 3]``."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ragged")
    for number, (height, width) in enumerate(SIZES * 4):
        path = folder / ("cat", "dog")[number % 2] / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(smooth(height, width, number)).save(path)
    return folder


def settings_of(root: Path, **more: Any) -> dict[str, Any]:
    return {"use": "folder", "path": str(root), "resize": "ragged", "size": SIZE, "shorter_side": SIDE, **more}


def read(root: Path, places: Places | None = None, **more: Any) -> Images:
    source = catalog.parse("data", settings_of(root, **more))
    assert isinstance(source, DataIngredient)
    return source.read(places or Places())


def ragged(images: Images) -> Ragged:
    assert isinstance(images.pixels, Ragged)
    return images.pixels


def own(pixels: Ragged, at: int) -> NDArray[np.uint8]:
    """An image at its own size."""
    height, width = pixels.sizes[at]
    channels = pixels.look.channels
    return pixels.flat[pixels.first[at] : pixels.first[at] + height * width * channels].reshape(height, width, channels)


def memory_of(images: list[NDArray[np.uint8]], side: int = 64) -> Ragged:
    return packed(images, Look(side, side, "ragged", images[0].shape[2]))  # type: ignore[arg-type]


def furthest(one: Tensor, other: Tensor) -> int:
    return int((one.int() - other.int()).abs().max())


class TestWhatIsKept:
    def test_images_keep_their_sizes_up_to_the_bound_of_the_shorter_side_and_four_times_that(self, root: Path) -> None:
        images = read(root)
        sizes = dict(zip(images.ids, ragged(images).sizes.tolist(), strict=True))
        for number, (height, width) in enumerate(SIZES):
            scale = min(1, SIDE / min(height, width))
            wanted = [min(LONGEST * SIDE, round(side * scale)) for side in (height, width)]
            assert sizes[f"{('cat', 'dog')[number % 2]}/{number:02}.png"] == wanted

    def test_image_no_larger_than_the_bound_is_kept_byte_for_byte_and_a_larger_one_as_pillow_reduces_it(self, root: Path) -> None:
        images = read(root)
        where = {name: at for at, name in enumerate(images.ids)}
        assert np.array_equal(own(ragged(images), where["cat/00.png"]), smooth(*SIZES[0], 0))
        reduced = Image.fromarray(smooth(*SIZES[1], 1)).resize((40, 88), Image.Resampling.BILINEAR)
        assert np.array_equal(own(ragged(images), where["dog/01.png"]), np.asarray(reduced))

    def test_kept_store_opens_as_it_was_and_one_bit_of_damage_is_decoded_anew(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(decoded, "WORTH_KEEPING", 0)
        places = Places(folders=(tmp_path / "contrast",))
        first = read(root, places)
        (store,) = (tmp_path / "contrast" / "decoded").glob("*/store.json")
        assert json.loads(store.read_text())["look"]["resize"] == "ragged"
        with monkeypatch.context() as undecoded:
            undecoded.delattr(decoded, "decode_ragged")
            again = read(root, places)
        assert again.fingerprint == first.fingerprint
        assert np.array_equal(ragged(again).flat, ragged(first).flat)
        pixels = bytearray((store.parent / "pixels.bin").read_bytes())
        pixels[100] ^= 1
        (store.parent / "pixels.bin").write_bytes(pixels)
        assert np.array_equal(ragged(read(root, places)).flat, ragged(first).flat)

    def test_set_larger_than_memory_stays_in_its_file_and_gives_the_same(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        here = read(root)
        monkeypatch.setattr(decoded, "IN_MEMORY", 10_000)
        away = read(root)
        assert isinstance(ragged(away).flat, np.memmap)
        assert away.fingerprint == here.fingerprint
        positions = np.arange(len(here))
        parts = [Part.of(images, positions, images.labels, "cpu") for images in (here, away)]
        chosen = torch.tensor([3, 0, 7, 3])
        assert torch.equal(*(part.pixels.index_select(0, chosen) for part in parts))

    def test_fingerprint_covers_pixels_that_the_middle_does_not_show(self, root: Path) -> None:
        images = read(root)
        pixels = ragged(images)
        flat = pixels.flat.copy()
        flat[pixels.first[4]] ^= 1
        other = Ragged(flat, pixels.first, pixels.sizes, pixels.look, pixels.view)
        assert np.array_equal(other[:], pixels[:])
        changed = Images(other, images.labels, images.ids, images.classes, images.parts)  # type: ignore[arg-type]
        assert changed.fingerprint != images.fingerprint

    def test_damaged_and_excluded_images_leave_the_others_as_they_are(self, root: Path, tmp_path: Path) -> None:
        for path in root.rglob("*.png"):
            copy = tmp_path / path.relative_to(root)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
        (tmp_path / "cat" / "00.png").write_bytes((root / "cat" / "00.png").read_bytes()[:200])
        whole, left = read(root), read(tmp_path, damaged="skip")
        assert left.ids == whole.ids[1:]
        assert np.array_equal(left.pixels[:], whole.pixels[1:])
        fewer = without(left, {left.ids[0]: "blank"}, "list.json")
        assert np.array_equal(fewer.pixels[:], whole.pixels[2:])


class TestCut:
    """Boxes of images of many sizes, against torchvision's `resized_crop` of each image."""

    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def test_boxes_equal_torchvisions_resized_crop_of_each_image_within_1(self, data: st.DataObject) -> None:
        channels = data.draw(st.sampled_from([1, 3]))
        count = data.draw(st.integers(1, 4))
        draw = np.random.default_rng(data.draw(st.integers(0, 99)))
        images = [draw.integers(0, 256, (data.draw(st.integers(1, 64)), data.draw(st.integers(1, 90)), channels), np.uint8) for _ in range(count)]
        size = (data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40)))
        pixels, boxes = memory_of(images), []
        for image in images:
            top, left = data.draw(st.integers(0, image.shape[0] - 1)), data.draw(st.integers(0, image.shape[1] - 1))
            boxes.append((top, left, data.draw(st.integers(1, image.shape[0] - top)), data.draw(st.integers(1, image.shape[1] - left))))
        columns = [torch.tensor(column) for column in zip(*boxes, strict=True)]
        cuts = cut(torch.from_numpy(pixels.first), torch.from_numpy(pixels.sizes[:, 1]), columns, channels)
        most = tuple(pixels.sizes.max(axis=0).tolist())
        out = resized(torch.from_numpy(pixels.flat), cuts, (*size, channels), most).permute(0, 3, 1, 2)
        for image, box, found in zip(images, boxes, out, strict=True):
            wanted = functional.resized_crop(torch.from_numpy(image).permute(2, 0, 1), *box, list(size), antialias=True)
            assert furthest(found, wanted) <= 1

    def test_boxes_equal_torchvisions_of_numbers_rounded_once_but_for_one_value_in_twenty(self) -> None:
        """Of bytes, torchvision rounds twice, after each direction: there every sixth value is off by 1."""
        images = [smooth(60, 80, seed) for seed in range(8)]
        pixels, step = RaggedPixels(memory_of(images).middle(SIZE, SIZE), "cpu"), catalog.parse("augment", {"use": "random_resized_crop"})
        boxes = step.boxes(keyed.Draws.of(0, 0, torch.arange(8)), *pixels.sizes(torch.arange(8)))  # type: ignore[attr-defined]
        out = pixels.cut(torch.arange(8), boxes).permute(0, 3, 1, 2)
        for at, image in enumerate(images):
            box = [int(each[at]) for each in boxes]
            wanted = functional.resized_crop(torch.from_numpy(image).permute(2, 0, 1).float(), *box, [SIZE, SIZE], antialias=True).round()
            assert furthest(out[at], wanted) <= 1
            assert (out[at] != wanted).double().mean() < 0.05

    def test_box_of_the_size_itself_is_copied(self) -> None:
        image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
        pixels = memory_of([image])
        box = [torch.tensor([value]) for value in (11, 23, SIZE, SIZE)]
        cuts = cut(torch.tensor([0]), torch.tensor([70]), box, 3)
        out = resized(torch.from_numpy(pixels.flat), cuts, (SIZE, SIZE, 3), (50, 70))[0]
        assert np.array_equal(out.numpy(), image[11 : 11 + SIZE, 23 : 23 + SIZE])

    def test_weights_of_every_line_sum_to_1_and_do_not_depend_on_how_much_is_looked_at(self) -> None:
        count = torch.arange(1, 200)
        found = resampling._Bands.of(count, 70, 256, 2**15)
        assert torch.equal(found.weights * 2**15, (found.weights * 2**15).round())
        torch.testing.assert_close(found.weights.flatten(1, 2)[:, :70].sum(2), torch.ones(199, 70), rtol=0, atol=1e-3)
        for lines in range(1, 200):
            alone = resampling._Bands.of(torch.tensor([lines]), 70, lines, 2**15).weights[0]
            assert torch.equal(found.weights[lines - 1, :, :, : alone.shape[2]], alone)
            assert not found.weights[lines - 1, :, :, alone.shape[2] :].any()

    def test_image_comes_out_the_same_alone_in_any_batch_whatever_is_cut_with_it_and_under_autocast(self, root: Path) -> None:
        images = read(root)
        pixels = RaggedPixels(ragged(images), "cpu")
        step = catalog.parse("augment", {"use": "random_resized_crop"})
        keys, chosen = keyed.words(images.ids), torch.arange(len(images))
        boxes = step.boxes(keyed.Draws(keys), *pixels.sizes(chosen))  # type: ignore[attr-defined]
        whole = pixels.cut(chosen, boxes)
        for some in (torch.tensor([5]), torch.tensor([9, 2, 2, 17])):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                part = pixels.cut(some, type(boxes)(*(each[some] for each in boxes)))
            assert torch.equal(part, whole[some])
        cuts = cut(pixels._first, pixels._width, boxes, 3)
        at_once = resampling._of_some(pixels._memory, cuts, (SIZE, SIZE, 3), (LONGEST * SIDE, LONGEST * SIDE))  # as on a GPU
        assert torch.equal(at_once, whole)


class TestTraining:
    def batches(self, images: Images, *more: dict[str, Any], **crop: Any) -> Batches:
        part = Part.of(images, np.arange(len(images)), images.labels, "cpu")
        steps = bound([catalog.parse("augment", each) for each in ({"use": "random_resized_crop", **crop}, *more)], images)
        return Batches(part, steps, 8, 3, resolve())

    def test_batches_hold_each_images_own_box_out_of_all_of_its_pixels(self, root: Path) -> None:
        images = read(root)
        made, step = self.batches(images, scale=(0.3, 1.0)), catalog.parse("augment", {"use": "random_resized_crop", "scale": [0.3, 1.0]})
        order, _ = made.order.of_epoch(3, 1)
        for number, (out, _) in enumerate(made.of_epoch(1)):
            for place, at in enumerate(order[8 * number : 8 * number + 8].tolist()):
                image = torch.from_numpy(own(ragged(images), at)).permute(2, 0, 1)
                draws = keyed.Draws.of(3, 1, keyed.words([images.ids[at]]))
                box = [int(each) for each in step.boxes(draws, image.shape[1], image.shape[2])]  # type: ignore[attr-defined]
                assert furthest(out[place], functional.resized_crop(image, *box, [SIZE, SIZE], antialias=True)) <= 1
        assert out.dtype == torch.uint8

    def test_later_steps_act_on_what_was_cut(self, root: Path) -> None:
        images = read(root)
        plain, flipped = (next(self.batches(images, *more).of_epoch(0))[0] for more in ((), ({"use": "flip", "p": 1.0},)))
        assert torch.equal(plain.flip(3), flipped)

    def test_evaluation_is_given_the_middle_of_each_image(self, root: Path) -> None:
        images = read(root)
        shown = images.pixels[:]
        assert shown.shape == (24, SIZE, SIZE, 3)
        for at, (height, width) in enumerate(ragged(images).sizes.tolist()):
            inner = round(SIZE * min(height, width) / SIDE)
            image = torch.from_numpy(own(ragged(images), at)).permute(2, 0, 1)
            wanted = functional.resize(functional.center_crop(image, [inner, inner]), [SIZE, SIZE], antialias=True).permute(1, 2, 0)
            if (height - inner) % 2 == (width - inner) % 2 == 0:  # else torchvision rounds the middle half to even
                assert furthest(torch.from_numpy(shown[at]), wanted) <= 1

    def test_statistics_are_those_of_the_middles(self, root: Path) -> None:
        images = read(root)
        mean, std = images.own_statistics
        np.testing.assert_allclose(mean, images.pixels[:].mean((0, 1, 2)) / 255)
        np.testing.assert_allclose(std, images.pixels[:].std((0, 1, 2)) / 255)

    @pytest.mark.slow
    def test_training_runs_to_its_end_and_twice_to_the_same_weights(self, root: Path, tmp_path: Path) -> None:
        recipe = Recipe.parse(
            {
                "data": settings_of(root, validation=4, test=4),
                "model": "mlp",
                "augment": [{"use": "random_resized_crop"}, {"use": "flip"}],
                "epochs": 2,
                "batch_size": 4,
            },
            trust=False,
        )
        first, second = (trained(recipe, tmp_path / name) for name in ("one", "two"))
        values = [list(training.state.model.parameters()) for training in (first, second)]
        assert all(one.isfinite().all() and one.equal(other) for one, other in zip(*values, strict=True))


class TestBadInput:
    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"shorter_side": None}, r"resize: ragged needs size, .*, and shorter_side"),
            ({"size": None}, r"shorter_side needs resize: ragged, and a size that is no larger"),
            ({"size": 50}, r"shorter_side needs resize: ragged, and a size that is no larger"),
            ({"resize": "crop"}, r"shorter_side needs resize: ragged"),
            ({"stream": True}, r"ragged keeps decoded images, and stream: true keeps none"),
        ],
    )
    def test_settings_that_contradict_each_other_are_refused_in_one_line(self, root: Path, changed: dict[str, Any], told: str) -> None:
        with pytest.raises(InputError, match=told) as caught:
            catalog.parse("data", settings_of(root, **changed))
        assert "\n" not in str(caught.value)

    def test_images_of_caltech101_and_of_tables_can_be_ragged_too(self) -> None:
        assert catalog.parse("data", {"use": "caltech101", "resize": "ragged"}).resize == "ragged"  # type: ignore[attr-defined]
        with pytest.raises(InputError, match=r"resize: ragged needs size, .*, and shorter_side"):
            catalog.parse("data", {"use": "table", "path": "table.csv", "resize": "ragged", "size": 32})

    @pytest.mark.parametrize("augment", [[], [{"use": "flip"}, {"use": "random_resized_crop"}]], ids=["none", "second"])
    def test_steps_that_bring_no_size_are_told_in_one_line(self, root: Path, augment: list[dict[str, Any]]) -> None:
        steps = [catalog.parse("augment", each) for each in (*augment, {"use": "normalize"})]
        with pytest.raises(InputError, match=r"augment: .*keep their own sizes.*; let random_resized_crop stand first") as caught:
            bound(steps, read(root))  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)

    def test_old_recipes_of_folders_keep_their_ids(self) -> None:
        plain = {"use": "folder", "path": "x", "size": 32}
        ids = {Recipe.parse({"data": {**plain, **more}, "model": "mlp"}, trust=False).id for more in ({}, {"shorter_side": None}, {"resize": "crop"})}
        assert len(ids) == 1


def test_file_that_is_to_be_predicted_is_seen_as_evaluation_sees_it(root: Path) -> None:
    images = read(root)
    paths = [*(root / name for name in images.ids), root / "none.png"]
    found, reasons = as_evaluated(paths, (SIZE, SIZE, 3), "ragged", SIDE)
    assert np.array_equal(found[:-1], images.pixels[:])
    assert list(reasons) == [24]
    cropped = catalog.parse("data", {"use": "table", "path": "t", "resize": "crop", "size": SIZE, "shorter_side": SIDE})
    squares, _ = as_evaluated(paths[:3], (SIZE, SIZE, 3), "crop", SIDE)
    wanted = np.stack([decode(path, Look(SIDE, SIDE)) for path in paths[:3]])
    assert np.array_equal(squares, cropped._middle(wanted))  # type: ignore[attr-defined]


def test_what_is_kept_is_what_is_decoded_of_one_file(root: Path) -> None:
    images = read(root)
    for at, name in enumerate(images.ids):
        assert np.array_equal(own(ragged(images), at), decode(root / name, ragged(images).look))


def test_page_of_the_data_says_that_images_keep_their_own_sizes(root: Path) -> None:
    assert any("keep their own sizes (resize: ragged), the shorter side at most 40 pixels" in note for note in read(root).notes)


def test_study_is_stopped_at_planning_where_an_arm_takes_the_step_that_brings_a_size_away(root: Path, tmp_path: Path) -> None:
    base = {"data": settings_of(root, validation=4, test=4), "model": "mlp", "augment": ["random_resized_crop"], "batch_size": 4}
    study = Study(base=base, arms={"plain": {"augment.random_resized_crop": "off"}}, seeds=1)
    with pytest.raises(InputError, match=r"plain.*keep their own sizes.*; let random_resized_crop stand first") as caught:
        prepare(study.plan(), StudyFolder(tmp_path), Places(), catalog.parse("executor", "inline"))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
