"""The doors to a look at a data set or a network before anything is trained."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from contrast import catalog
from contrast.errors import InputError, nearest

if TYPE_CHECKING:
    from PIL import Image

    from contrast.explain.audit import Audit
    from contrast.explain.files import Files
    from contrast.explain.findings import Finding
    from contrast.images import Images, Split
    from contrast.protocols import AugmentIngredient, DataIngredient, Places
    from contrast.report.data_page import Sheet


def data_source(name: str, settings: Mapping[str, Any]) -> DataIngredient:
    """The data ingredient that a person means: one of ours by name, or a folder of class folders.

    Raises:
        InputError: there is neither, or a setting is wrong.
    """
    use = _use_of(name)
    if use is None:
        right = f"{nearest(name, catalog.names('data'))}, or a folder of class folders, an archive of one, or a table (CSV, Parquet)"
        raise InputError(f"there is no data set {name!r}", right=right)
    given = {"use": use, **({} if use == name else {"path": str(Path(name).resolve())}), **settings}
    try:
        return catalog.parse("data", given)  # type: ignore[return-value]
    except InputError as error:
        raise error.within("command line") from None


def _use_of(name: str) -> str | None:
    """Which ingredient reads what a person names, or None."""
    from contrast.archives import is_archive

    path = Path(name)
    if name in catalog.names("data"):
        return name
    if path.is_dir() or (path.is_file() and is_archive(path)):
        return "folder"
    return "table" if path.is_file() and path.suffix.lower() in (".csv", ".parquet") else None


@dataclass(frozen=True)
class Wished:
    """Files that are to be written beside what is printed: a picture of samples, one of augmentations, a page."""

    picture: Path | None = None
    augmented: Path | None = None
    page: Path | None = None


def tell_data(source: DataIngredient, places: Places, *, as_json: bool, wished: Wished | None = None, name: str = "") -> None:
    """Print what a set holds, and write pictures and a page of it where they are asked for.

    Args:
        source: the set.
        places: where data is looked for.
        as_json: JSON instead of text.
        wished: what to write.
        name: the set's, for the page.
    """
    from contrast.explain.data import describe

    wished = wished or Wished()
    images = source.read(places)
    split = _divided(images, source)
    description = describe(images, split, _files(source, places, images))
    print(json.dumps(description.to_dict(), indent=1, ensure_ascii=False) if as_json else description.to_text())
    sheets = _sheets(images, split, samples=bool(wished.picture or wished.page), augmented=bool(wished.augmented or wished.page))
    for option, path in (("picture", wished.picture), ("augmented", wished.augmented)):
        if path is not None:
            _write(f"--{option}", path, sheets[option].png)
    if wished.page is not None:
        from contrast.report.data_page import build

        page = build(name or source.use, description.to_dict(), list(sheets.values()))
        _write("--page", wished.page, page.encode("utf-8", "backslashreplace"))


def _write(option: str, path: Path, content: bytes) -> None:
    from contrast.store import write_durably

    try:
        write_durably(path, content)
    except OSError as error:
        raise _unwritten(option, path, error) from None
    print(f"{option.removeprefix('--')}  {path}", file=sys.stderr)


def _files(source: DataIngredient, places: Places, images: Images) -> Files | None:
    """What the image files are, where the set is a folder."""
    from contrast.class_folders import scan
    from contrast.datasets.folder import Folder
    from contrast.explain.files import survey

    if not isinstance(source, Folder):
        return None
    return survey(scan(source.root(places), source.exclude), images.shape, source.resize)


def _sheets(images: Images, split: Split, *, samples: bool, augmented: bool) -> dict[str, Sheet]:
    """Pictures of a set, those that are asked for."""
    from contrast.explain.augmented import augmentation_sheet
    from contrast.explain.data import drawn, sample_sheet
    from contrast.report.data_page import Sheet

    sheets = {}
    if samples:
        picture = sample_sheet(images, split.train, rows=5, columns=8)
        sheets["picture"] = Sheet("Samples", "Randomly drawn training images, the class below each.", _png(picture))
    if augmented:
        steps, left = _augmentations()
        picture = augmentation_sheet(images, int(drawn(images, split.train, 1)[0]), steps)
        caption = "The first of the samples under seven draws of each augmentation, with the settings that hold unless told otherwise."
        more = f" Not shown, since they need settings: {', '.join(left)}." if left else ""
        sheets["augmented"] = Sheet("Augmentations", caption + more, _png(picture))
    return sheets


def _augmentations() -> tuple[dict[str, AugmentIngredient], list[str]]:
    """Every augmentation of ours with its default settings, and the names of those that have none."""
    steps: dict[str, Any] = {}
    left = []
    for name in catalog.names("augment"):
        try:
            steps[name] = catalog.parse("augment", name)
        except InputError:
            left.append(name)
    return steps, left


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def _divided(images: Images, source: DataIngredient) -> Split:
    from contrast.images import divided

    return divided(images, source)


def tell_audit(source: DataIngredient, places: Places, *, as_json: bool, exclusions: Path | None, study: Path | None = None) -> None:
    """Print what would spoil a result, and write the images to leave out where that is asked for; nothing is deleted.

    Args:
        source: the set.
        places: where data is looked for.
        as_json: JSON instead of text.
        exclusions: the file to write.
        study: the folder of a finished study, whose held-out probabilities judge the labels.
    """
    from contrast.explain.audit import write_exclusions

    found = _audited(source, places, study)
    print(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) if as_json else found.to_text())
    if exclusions is not None:
        try:
            count = write_exclusions(found, exclusions)
        except OSError as error:
            raise _unwritten("--exclusions", exclusions, error) from None
        print(f"{count} images to leave out  {exclusions}", file=sys.stderr)


def _audited(source: DataIngredient, places: Places, study: Path | None) -> Audit:
    from contrast.datasets.folder import Folder
    from contrast.explain.audit import audit, given_parts
    from contrast.explain.files import inspect
    from contrast.explain.label_issues import label_issues

    findings: list[Finding] = []
    if isinstance(source, Folder):
        images, damages, files = source.load(places)  # whatever its policy for damaged images: here they are to be told
        findings += inspect(files, damages)
    else:
        images = source.read(places)
    if study is not None:
        findings += label_issues(images, study)
    try:
        split, undivided = _divided(images, source), ""
    except InputError as error:
        split, undivided = given_parts(images), str(error)
    return audit(images, split, findings, name=source.use, undivided=undivided)


def _unwritten(option: str, path: Path, error: OSError) -> InputError:
    return InputError(f"can't be written: {error.strerror or error}", where=f"{option} {path}", right="give another file")


def tell_model(
    name: str, settings: Mapping[str, Any], shape: tuple[int, int, int], classes: int, *, formulas: bool, trust: bool, as_json: bool = False
) -> None:
    """Print a network's layer table."""
    import torch

    from contrast import networks
    from contrast.explain.layers import layer_table

    try:
        config: Any = catalog.parse("model", {"use": name, **settings}, trust=trust)
    except InputError as error:
        raise error.within("command line") from None
    if classes < 1:
        raise InputError(f"{classes} is wrong", where="--classes", right="give at least 1")
    with torch.device("cpu" if catalog.is_outside(name) else "meta"):
        model = networks.network(config, shape, classes)
    if config.foreign and not catalog.is_outside(name):
        networks.check_output(config, model, shape, classes)
    table = layer_table(model, shape)
    print(json.dumps(table.to_dict(), indent=1, ensure_ascii=False) if as_json else table.to_text(formulas=formulas))


def teach(lesson: Literal["convolution"], /, *, format: Literal["text", "json"] = "text") -> int:
    """A lesson, worked out by the library's own calls.

    Parameters
    ----------
    lesson
        convolution: a 3×3 filter over a 3×5 image, under both conventions, and where a report's printed answer errs.
    format
        text or json.
    """
    from contrast.explain.teach import convolution

    told = convolution()
    print(json.dumps(told.to_dict(), indent=1) if format == "json" else told.to_text())
    return 0


def shape_of(text: str) -> tuple[int, int, int]:
    """``3x32x32`` as channels, height, width.

    Raises:
        InputError: it has another form.
    """
    found = re.fullmatch(r"(\d{1,4})[x×](\d{1,5})[x×](\d{1,5})", text.strip())
    if not found or not all(int(part) for part in found.groups()):
        raise InputError(f"{text!r} is no image shape", where="--input", right="write channels x height x width, e.g. 3x32x32")
    channels, height, width = (int(part) for part in found.groups())
    return channels, height, width
