"""Weights from files: read without running anything in them, fitted to a network by name and shape, and told what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from contrast.errors import InputError
from contrast.protocols import Floats, Places

FOLDER = "weights"
"""The folder below the places in which weights lie and into which they are downloaded."""
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_WRAPPED = ("state_dict", "model", "model_state_dict")
_COUNTER = "num_batches_tracked"


class Preprocessing(BaseModel):
    """What was done to the images that weights were trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    size: int | None = Field(default=None, ge=1, le=4096, description="height and width of the images that enter the network, pixels")
    resize: int | None = Field(default=None, ge=1, le=4096, description="the shorter side before the middle is cropped to size, pixels")
    interpolation: Literal["nearest", "bilinear", "bicubic"] = Field(default="bilinear", description="how images were resized")
    mean: Floats = Field(default=(0.485, 0.456, 0.406), description="what was subtracted from each channel, for pixels in [0, 1]")
    std: Floats = Field(default=(0.229, 0.224, 0.225), description="what each channel was divided by after that")


@dataclass(frozen=True)
class Published:
    """A weights file as its owners publish it.

    Attributes:
        name: what the file is called in `FOLDER`.
        url: where it is.
        sha256: the first hex digits of its SHA-256; empty where only the host knows it.
    """

    name: str
    url: str
    sha256: str = ""


@dataclass(frozen=True)
class Loaded:
    """What came of loading a file.

    Attributes:
        source: the file.
        sha256: of the file.
        matched: names of the network's tensors that the file gave.
        adapted: those of them whose input channels were changed.
        missing: the network's tensors that the file lacks: they keep their initial values.
        left_over: the file's tensors that the network has no place for.
        values: parameters and buffers that were given, as a count of values.
    """

    source: str
    sha256: str
    matched: tuple[str, ...]
    adapted: tuple[str, ...]
    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    values: int

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data; matched names, which are many, as a count."""
        lists = {name: list(getattr(self, name)) for name in ("adapted", "missing", "left_over")}
        return {"source": self.source, "sha256": self.sha256, "matched": len(self.matched), "values": self.values, **lists}

    def __str__(self) -> str:
        parts = [f"{len(self.matched)} tensors ({self.values:,} values) matched"]
        for name, told in (("adapted", "made for other channels"), ("missing", "missing and begun anew"), ("left_over", "left over")):
            names = getattr(self, name)
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                parts.append(f"{len(names)} {told} ({', '.join(names[:3])}{more})")
        return f"weights {self.source}: {', '.join(parts)}"


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, on the CPU; nothing that is pickled in it is run.

    Raises:
        InputError: the file is damaged, holds code, or holds something else than named tensors.
    """
    if path.suffix not in SUFFIXES:
        raise InputError("is no weights file by its name", where=str(path), right=f"its name should end in {', '.join(SUFFIXES)}")
    found: Any = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    for key in _WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    tensors = {name.removeprefix("module."): value for name, value in found.items() if isinstance(value, Tensor)} if _is_state(found) else {}
    if not tensors:
        raise InputError("holds no named tensors", where=str(path), right="save a model's state_dict")
    return tensors


def _is_state(found: Any) -> bool:
    return isinstance(found, Mapping) and all(isinstance(name, str) for name in found)


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"is damaged ({_short(error)})", where=str(path), right="get the file again") from error


def _pickled(path: Path) -> Any:
    """torch's own reader of plain tensors; it knows a short list of harmless names and refuses all others before anything is called."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in many ways
        if "Unsupported" in str(error) or "GLOBAL" in str(error):
            told = "holds pickled code, not only tensors; it was refused and nothing in it was run"
            raise InputError(told, where=str(path), right="save the model's state_dict alone, best as .safetensors") from error
        raise InputError(f"is damaged ({_short(error)})", where=str(path), right="get the file again") from error


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def locate(name: str, places: Places) -> Path:
    """A weights file by its path: absolute, or below one of the places (there also in the folder ``weights``).

    Raises:
        InputError: it is nowhere.
    """
    path = Path(name).expanduser()
    found = path if path.is_absolute() else places.find(name, f"{FOLDER}/{name}")
    if found is None or not found.is_file():
        looked = ", ".join(str(folder) for folder in places.folders) or "no folder at all"
        told = f"there is no file {name!r}" if path.is_absolute() else f"{name!r} was not found below {looked}"
        raise InputError(told, where="model.weights", right="put it there, or name another folder with --data DIR or $CONTRAST_DATA")
    return found


def fetch(published: Published, places: Places) -> Path:
    """A published file: found below the places, or else downloaded once into the last of them, its checksum compared.

    Raises:
        InputError: it can't be downloaded; says where it is and where to put it.
    """
    found = places.find(f"{FOLDER}/{published.name}", published.name)
    if found is not None:
        return _checked(found, published)
    if not places.folders:
        raise InputError(f"there is no folder to keep {published.name} in", where="model.weights", right="name one with --data DIR or $CONTRAST_DATA")
    target = places.folders[-1] / FOLDER / published.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(published.url, str(target), hash_prefix=published.sha256 or _hash_of_host(published.url), progress=False)
    except Exception as error:  # what a network does when it is not there differs between machines
        told = f"{published.name} could not be downloaded ({type(error).__name__}: {_short(error)})"
        raise InputError(told, where="model.weights", right=f"get {published.url} elsewhere and put it at {target}") from error
    return target


def _checked(path: Path, published: Published) -> Path:
    """Raises InputError where a file has a published name and another content."""
    if published.sha256 and not sha256_of(path).startswith(published.sha256):
        told = f"this is not the published {published.name}: its SHA-256 does not begin with {published.sha256}"
        raise InputError(told, where=str(path), right=f"get {published.url} again")
    return path


def _hash_of_host(url: str) -> str:
    """What the Hugging Face hub says that the file hashes to (its ETag for large files)."""
    from huggingface_hub import get_hf_file_metadata

    etag = get_hf_file_metadata(url).etag or ""
    if len(etag) != 64:
        raise OSError("the host names no SHA-256 of it")
    return etag


@dataclass(frozen=True)
class Fit:
    """How a file's tensors go into a network: which, and the report."""

    tensors: dict[str, Tensor]
    loaded: Loaded

    def apply(self, model: nn.Module) -> Loaded:
        """Put the tensors in."""
        model.load_state_dict(self.tensors, strict=False)
        return self.loaded


def fit(model: nn.Module, path: Path, tensors: Mapping[str, Tensor], head: Iterable[str], *, fresh: bool, strict_head: bool) -> Fit:
    """Find a place in a network for each tensor of a file; changes nothing yet.

    Args:
        model: may be on the meta device.
        path: the file, for the report.
        tensors: what it holds.
        head: names of the modules that make the head.
        fresh: whether the file's head is left out.
        strict_head: whether a head for other classes is an error; else it is left out.

    Raises:
        InputError: nothing matches, a tensor has another shape than the network's of the same name, or the head is for other classes.
    """
    own, places = model.state_dict(), tuple(head)
    chosen, adapted, left_over = dict[str, Tensor](), list[str](), list[str]()
    for name, tensor in tensors.items():
        in_head = any(name == place or name.startswith(f"{place}.") for place in places)
        if name not in own or (in_head and fresh):
            left_over.append(name)
        elif own[name].shape == tensor.shape:
            chosen[name] = tensor
        elif in_head and not strict_head:
            left_over.append(name)
        elif in_head:
            raise _other_classes(tensor, own[name], path)
        else:
            chosen[name] = _other_channels(name, tensor, own[name], path)
            adapted.append(name)
    _must_match(chosen, own, tensors, path)
    missing = tuple(name for name in own if name not in chosen and not name.endswith(_COUNTER))
    values = sum(tensor.numel() for tensor in chosen.values())
    return Fit(chosen, Loaded(path.name, sha256_of(path), tuple(chosen), tuple(adapted), missing, tuple(left_over), values))


def _must_match(chosen: Mapping[str, Tensor], own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path) -> None:
    if not chosen:
        told = f"nothing in it matches the network: it has {next(iter(tensors))!r} and the like, the network {next(iter(own))!r}"
        raise InputError(told, where=str(path), right="name the file of this network's weights")


def _other_classes(tensor: Tensor, own: Tensor, path: Path) -> InputError:
    if tensor.ndim and tensor.shape[1:] == own.shape[1:]:
        told = f"its head is for {tensor.shape[0]:,} classes, the study has {own.shape[0]:,}"
    else:
        told = f"its head is {_shape(tensor)}, the network's is {_shape(own)}"
    return InputError(told, where=str(path), right="write model.head.weights: fresh to begin with a new head")


def _other_channels(name: str, tensor: Tensor, own: Tensor, path: Path) -> Tensor:
    """A convolution's weights for images of other channels: summed for one, repeated and scaled for more (timm's rule)."""
    if tensor.ndim == own.ndim == 4 and tensor.shape[1] == 3 and tensor.shape[0] == own.shape[0] and tensor.shape[2:] == own.shape[2:]:
        from timm.models import adapt_input_conv

        return adapt_input_conv(own.shape[1], tensor)  # type: ignore[no-any-return]
    told = f"its {name} is {_shape(tensor)}, the network's is {_shape(own)}"
    raise InputError(told, where=str(path), right="name the weights of this very network")


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"
