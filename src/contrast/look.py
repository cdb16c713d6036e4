"""The doors to a look at a data set or a network before anything is trained."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast import catalog
from contrast.errors import InputError, nearest

if TYPE_CHECKING:
    from contrast.images import Images, Split
    from contrast.protocols import DataIngredient, Places


def data_source(name: str, settings: Mapping[str, Any]) -> DataIngredient:
    """The data ingredient that a person means: one of ours by name, or a folder of class folders.

    Raises:
        InputError: there is neither, or a setting is wrong.
    """
    if name not in catalog.names("data") and not Path(name).is_dir():
        raise InputError(f"there is no data set {name!r}", right=f"{nearest(name, catalog.names('data'))}, or a folder of class folders")
    is_name = name in catalog.names("data")
    given = {"use": name, **settings} if is_name else {"use": "folder", "path": str(Path(name).resolve()), **settings}
    try:
        return catalog.parse("data", given)  # type: ignore[return-value]
    except InputError as error:
        raise error.within("command line") from None


def tell_data(source: DataIngredient, places: Places, *, as_json: bool, picture: Path | None) -> None:
    """Print what a set holds, and write a picture of samples where one is asked for."""
    from contrast.explain.data import describe, sample_sheet

    images = source.read(places)
    split = _divided(images, source)
    description = describe(images, split)
    print(json.dumps(description.to_dict(), indent=1, ensure_ascii=False) if as_json else description.to_text())
    if picture is not None:
        sheet = sample_sheet(images, split.train, rows=5, columns=8)
        try:
            sheet.save(picture, format="PNG")
        except OSError as error:
            raise InputError(f"can't be written: {error.strerror or error}", where=f"--picture {picture}", right="give another file") from None
        print(f"samples  {picture}", file=sys.stderr)


def _divided(images: Images, source: DataIngredient) -> Split:
    from contrast.images import split

    return split(images, validation=source.validation, test=source.test, train=source.train, seed=source.split_seed)


def tell_audit(source: DataIngredient, places: Places, *, as_json: bool, exclusions: Path | None) -> None:
    """Print what would spoil a result, and write the images to leave out where that is asked for; nothing is deleted."""
    from contrast.datasets.folder import Folder
    from contrast.explain.audit import audit, inspect, write_exclusions

    if isinstance(source, Folder):
        images, damages, files = source.load(places)  # whatever its policy for damaged images: here they are to be told
        found = audit(images, _divided(images, source), inspect(files, damages))
    else:
        images = source.read(places)
        found = audit(images, _divided(images, source))
    print(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) if as_json else found.to_text())
    if exclusions is not None:
        count = write_exclusions(found, exclusions)
        print(f"{count} images to leave out  {exclusions}", file=sys.stderr)


def tell_model(name: str, settings: Mapping[str, Any], shape: tuple[int, int, int], classes: int, *, formulas: bool, trust: bool) -> None:
    """Print a network's layer table."""
    import torch

    from contrast.explain.layers import layer_table

    try:
        config: Any = catalog.parse("model", {"use": name, **settings}, trust=trust)
    except InputError as error:
        raise error.within("command line") from None
    if classes < 1:
        raise InputError(f"{classes} is wrong", where="--classes", right="give at least 1")
    with torch.device("cpu" if catalog.is_outside(name) else "meta"):
        model = config.build(shape, classes)
    print(layer_table(model, shape).to_text(formulas=formulas))


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
