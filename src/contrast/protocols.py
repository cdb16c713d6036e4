"""What each kind of ingredient promises: a frozen config class that names its settings and offers one verb.

An ingredient is one file in the folder of its kind. `torch` is only named here for the type checker, never imported.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contrast.errors import InputError
from contrast.initial import InitialSetting, check_gain
from contrast.rates import BatchScaling, RateFinder
from contrast.training_parts import Freeze, FreezeOut, LearningRateFactors

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from contrast.images import Images
    from contrast.keyed import Draws

    AugmentFunction = Callable[[Tensor, Tensor, Draws], tuple[Tensor, Tensor]]

Ints = Annotated[tuple[int, ...], Field(strict=False)]
Floats = Annotated[tuple[float, ...], Field(strict=False)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]
"""A part of a set: a count (integer, at least 1) or a fraction (between 0 and 1)."""


def added(default: Any, *, absent: Any, **more: Any) -> Any:
    """Declare a setting that came after the first release of its ingredient.

    Args:
        default: the value that holds when the setting is not given.
        absent: the value that does what was done before the setting existed. A recipe in which the setting has this
            value keeps the id that it had then; any other value, a changed default too, changes the id.
        more: what else `pydantic.Field` takes.
    """
    return Field(default=default, json_schema_extra={"absent": absent}, **more)


class Ingredient(BaseModel):
    """A frozen, comparable set of settings; a wrong key or type is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True, allow_inf_nan=False)

    @property
    def use(self) -> str:
        """The name that a study file gives: the file's own, or ``module:Class`` for code from outside the package."""
        module, _, stem = type(self).__module__.rpartition(".")
        return stem if module.startswith("contrast.") else f"{type(self).__module__}:{type(self).__qualname__}"

    def settings(self) -> dict[str, Any]:
        """All settings as plain data (JSON types), without the name."""
        return self.model_dump(mode="json")


class DataIngredient(Ingredient):
    """Where images come from, and how they are split. Its verb is `read`.

    `validation`, `test` and `train` are counts or fractions. Every split is stratified, drawn from `split_seed` and
    the images' ids alone, and so the same for all seeds and arms of a study. With `folds`, one of k folds takes the place
    of `test` where the set has no test part of its own, else of `validation`; `rotate` chooses otherwise.
    """

    validation: Share = Field(default=0.1, description="images held out of the training part to choose by: count or fraction")
    test: Share | None = Field(default=None, description="held out for the end where the set has no test part of its own: count or fraction")
    train: Share | None = Field(default=None, description="train on this much of what is left only (nested subsets): count or fraction")
    split_seed: int = Field(default=0, description="what the split is drawn from; the same for all seeds of a study")
    wrong_labels: Probability = Field(
        default=0.0,
        description="share of training labels replaced by another class, drawn from split_seed and image id; validation and test stay clean",
    )
    exclusions: str | None = added(
        None, absent=None, min_length=1, description="a file of images to leave out, as `contrast data NAME --audit --exclusions FILE` writes it"
    )
    folds: int | None = added(
        None, absent=None, ge=2, le=1000, description="cut what is to be divided into this many stratified folds and hold one out; null: no folds"
    )
    fold: int = added(0, absent=0, ge=0, description="which fold is held out, from 0")
    rotate: Literal["auto", "validation", "test"] = added(
        "auto",
        absent="auto",
        description="what the fold is held out as, in place of that setting; auto: test where the set has no test part, else validation; "
        "a part of that kind that the set came with is dealt out too",
    )

    @model_validator(mode="after")
    def _fold_is_one_of_them(self) -> Self:
        if self.folds is None and (self.fold or self.rotate != "auto"):
            raise ValueError("fold and rotate need folds")
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold counts from 0, so that the last of {self.folds} folds is {self.folds - 1}")
        return self

    @abstractmethod
    def read(self, places: Places) -> Images:
        """Decode the whole set into memory.

        Raises:
            InputError: files are missing or damaged; names them and says how to get them.
        """


class ModelIngredient(Ingredient):
    """A network described by a few numbers. Its verb is `build`."""

    initial: InitialSetting = added(
        "default", absent="default", description="initial values: a scheme by name, or {scheme, gain, std, of}; see `contrast.initial.Initial`"
    )
    weights: str = added(
        "none",
        absent="none",
        min_length=1,
        description="weights to start from: none, default (the library's own, downloaded once), or a .safetensors or .pth file, "
        "absolute or below one of the places where data is looked for",
    )
    freeze: Freeze = added(
        "none",
        absent="none",
        description="what is not trained: none, features, head, all but head, {until: MODULE} (what stands before it), "
        "or a list of names and patterns of modules or parameters",
    )
    unfreeze: int | None = added(
        None, absent=None, ge=2, description="from this epoch on (the first is 1) everything is trained; null to keep frozen what is frozen"
    )
    lr_factor: LearningRateFactors = added(
        (), absent={}, description="pattern of modules or parameters to the factor on the learning rate there, e.g. {features: 0.1}"
    )
    freeze_out: FreezeOut = added(
        (),
        absent={},
        description="pattern of modules or parameters to the share of the training after which they are frozen, their rate having gone through "
        "the whole schedule by then (Brock et al. 2017), e.g. {block1: 0.5}",
    )

    foreign: ClassVar[bool] = False
    """True where another library makes the network: its constructor and its layers draw from torch's global generator."""

    @model_validator(mode="after")
    def _gain_is_known(self) -> Self:
        check_gain(self.initial, getattr(self, "activation", None))
        return self

    @model_validator(mode="after")
    def _something_to_unfreeze(self) -> Self:
        if self.unfreeze is not None and self.freeze == "none":
            raise ValueError("unfreeze needs something that is frozen; give freeze too")
        return self

    @abstractmethod
    def build(self, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Make the network.

        Args:
            shape: channels, height, width of one image.
            classes: number of classes, the width of the output.

        Returns:
            A module from ``float [B, C, H, W]`` to logits ``[B, classes]`` whose modules are named by role.

        Raises:
            InputError: the network does not fit the image size; names the layer.
        """

    def initialize(self, model: nn.Module, seed: int) -> None:
        """Set every initial value from (seed, parameter name).

        Called for networks of this package; code from outside is constructed under one derived seed instead, and
        `contrast.layers.redraw` then draws what its `initial` asks for.

        Raises:
            InputError: a module's values follow from no rule.
        """
        from contrast.layers import initialize

        initialize(model, seed)
        self.redraw(model, seed)

    def redraw(self, model: nn.Module, seed: int) -> None:
        """Draw what `initial` asks for, from (seed, parameter name); nothing where it is the default."""
        from contrast.layers import redraw

        redraw(model, seed, self)

    def settle(self, model: nn.Module, batches: Iterable[Tensor]) -> None:
        """Take from the training images what the network is to know of them before its first step; most need nothing.

        Called after `initialize`, where no weights are loaded.

        Args:
            model: on the device, changed in place.
            batches: yields training images as the model takes them, ``float32 [B, C, H, W]``: the same for all seeds.
        """

    def settled(self) -> tuple[str, ...]:
        """Names of the tensors that `settle` sets; training does not change them."""
        return ()

    def head_of(self, model: nn.Module) -> tuple[str, ...]:
        """Names of the modules that make the head; nothing where it is to be found by its place and width."""
        return ()

    def published_weights(self) -> Any:
        """What ``weights: default`` stands for, a `contrast.weights.Published`; None where there are none."""
        return None

    def preprocessing(self) -> Any:
        """What images the weights were trained on, a `contrast.weights.Preprocessing`; None where nothing is known."""
        return None


class AugmentIngredient(Ingredient):
    """A change of a whole batch, each image with its own draws. Its verb is `apply`, a pure function."""

    always: ClassVar[bool] = False
    """True for what holds at evaluation too (normalization); such a step can't be left out, only neutralized."""

    neutral: ClassVar[Mapping[str, Any]] = {}
    """For `always` steps: the settings that `off` stands for."""

    @abstractmethod
    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            images: ``uint8 [B, C, H, W]`` (float after `normalize`).
            labels: probability rows, ``float32 [B, classes]``.
            draws: this batch's random numbers, one stream an image.

        Returns:
            Images and labels of the same shapes and dtypes.
        """

    @property
    def mixes(self) -> bool:
        """Whether an image may take something of others in its batch; those that don't are applied to several batches at once."""
        return False

    def prepare(self, images: Images) -> AugmentFunction:
        """Bind what must be known of the data first; most augmentations need nothing."""
        return self.apply


class OptimizerIngredient(Ingredient):
    """An optimizer and its settings. Its verb is `build`."""

    decay: Literal["all", "matrices"] = Field(
        default="all",
        description="what weight decay acts on: all parameters, or those of two and more dimensions (no norms, no biases)",
    )
    scale_with_batch: BatchScaling | None = added(
        None, absent=None, description="lr is for a batch of size `of` and follows batch_size: {rule: linear or sqrt, of: 128}; null to hold it"
    )
    find_lr: RateFinder | None = added(
        None,
        absent=None,
        description="find the learning rate by a range test on training batches, in place of lr: {low, high, steps}; null to take lr",
    )

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        if self.find_lr is not None and self.scale_with_batch is not None:
            raise ValueError("find_lr finds the rate for the batch size that there is; leave scale_with_batch out")
        if self.find_lr is not None and getattr(self, "lr", None) == 0:
            raise ValueError("find_lr takes the place of lr, which must be above 0")
        return self

    @abstractmethod
    def build(self, parameters: Iterable[tuple[str, nn.Parameter]], fused: bool) -> torch.optim.Optimizer:
        """Make torch's optimizer over named parameters.

        Args:
            parameters: names and parameters, in the model's order.
            fused: whether the machine's plan asks for the fused kernel, where torch has one.
        """

    def groups(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> list[dict[str, Any]]:
        """Split trainable parameters by whether weight decay acts on them; empty groups are left out."""
        trainable = [parameter for _, parameter in parameters if parameter.requires_grad]
        if self.decay == "all":
            return [{"params": trainable}]
        matrices = {"params": [p for p in trainable if p.ndim >= 2]}
        others = {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0}
        return [group for group in (matrices, others) if group["params"]]


class ScheduleIngredient(Ingredient):
    """A learning-rate schedule: a pure function of progress in [0, 1]. Its verb is `shape`."""

    warmup: Probability = Field(default=0.0, description="share of the training over which the rate first rises from 0")

    @abstractmethod
    def shape(self, progress: float) -> float:
        """The factor on the learning rate after warm-up; `progress` runs from 0 to 1 over what is left."""

    def factor(self, progress: float) -> float:
        """The factor on the learning rate at `progress` in [0, 1] of the whole training."""
        if progress < self.warmup:
            return progress / self.warmup
        return self.shape((progress - self.warmup) / (1 - self.warmup))


class LossIngredient(Ingredient):
    """What training lowers. Its verb is `value`."""

    @abstractmethod
    def value(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch.

        Args:
            logits: ``float [B, classes]``.
            labels: probability rows, ``float32 [B, classes]``.

        Returns:
            A scalar tensor (float32).
        """


class Average(Protocol):
    """A second set of weights that follows the trained one."""

    model: nn.Module

    def update(self, trained: nn.Module) -> None:
        """Take in the weights after an optimizer step."""

    def state_dict(self) -> dict[str, Tensor]:
        """All of the average that a checkpoint must keep, as plain tensors."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take a kept average up again."""

    def settle(self, batches: Iterable[Tensor]) -> None:
        """Make the average ready for evaluation; `batches` yields training images for statistics to be recomputed."""


class AveragingIngredient(Ingredient):
    """Whether evaluation uses an average of the weights. Its verb is `build`."""

    @abstractmethod
    def build(self, model: nn.Module) -> Average | None:
        """Make the average of a model, or None where the trained weights themselves are evaluated."""


class LoopIngredient(Ingredient):
    """The order of events in a training. Its verb is `train`."""

    @abstractmethod
    def train(self, training: Any) -> Any:
        """Carry a training from where it stands to its end."""


class Places(BaseModel):
    """Where data is looked for, in this order."""

    model_config = ConfigDict(frozen=True)

    folders: tuple[Path, ...] = ()
    offline: bool = False
    """Whether what is missing is only told, and never downloaded."""

    @classmethod
    def usual(cls, data: str | Path | None = None) -> Places:
        """The folder given, then ``$CONTRAST_DATA``, then the user's cache folder.

        Raises:
            InputError: the folder given is not there.
        """
        from platformdirs import user_cache_path

        folders = []
        if data is not None:
            if not Path(data).is_dir():
                raise InputError("is no folder", where=f"--data {data}", right="give the folder that holds the data sets")
            folders.append(Path(data).resolve())
        if os.environ.get("CONTRAST_DATA"):
            folders.append(Path(os.environ["CONTRAST_DATA"]).resolve())
        return cls(folders=(*folders, user_cache_path("contrast")))

    def find(self, *names: str) -> Path | None:
        """The first folder or file of one of these names below the places, or None."""
        for folder in self.folders:
            for name in names:
                if (folder / name).exists():
                    return folder / name
        return None
