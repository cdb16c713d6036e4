"""What an audit can find, and in which words."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = {
    "damaged": "files that can't be used",
    "class": "classes that can't be learned from, or can't be divided",
    "odd": "legal images that are odd: other color modes, animations, turned by EXIF, names that belie the format",
    "name": "names that other systems or programs may take for something else",
    "hidden": "hidden files and folders, which are passed over",
    "passed": "files that are no images, or lie in no class folder, which are passed over",
    "tiny": "images with a side below 16 pixels",
    "huge": "images of more than 20 million pixels",
    "narrow": "images more than eight times as long as wide",
    "blank": "images of one color",
    "contradiction": "the same pixels under different labels",
    "leak": "the same pixels in different parts",
    "duplicate": "the same pixels twice in one part",
    "near leak": "nearly the same image in different parts",
    "near duplicate": "nearly the same image twice in one part",
    "label": "labels that the study's networks, which have not trained on these images, speak against",
}
"""Kind of finding → what it means, the worst first within damage, duplicates and near duplicates."""

EXCLUDED = ("damaged", "blank", "contradiction", "leak", "duplicate", "near leak")
"""Kinds of findings for which an image had better be left out."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found about an image, a file or a class.

    Attributes:
        kind: a key of `KINDS`.
        id: the image, the file, or the class name.
        told: what was found, as a clause about it.
        other: the image that it resembles, where there is one.
        parts: the parts that the two are in, then.
    """

    kind: str
    id: str
    told: str
    other: str = ""
    parts: tuple[str, ...] = ()
