"""A Recipe: everything that determines one training, frozen, comparable, and hashed to an id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_serializer, model_validator

from contrast import catalog, faults
from contrast.errors import InputError, nearest
from contrast.evaluation import Evaluation
from contrast.protocols import (
    AugmentIngredient,
    AveragingIngredient,
    DataIngredient,
    Ingredient,
    LoopIngredient,
    LossIngredient,
    ModelIngredient,
    OptimizerIngredient,
    ScheduleIngredient,
    added,
)
from contrast.sampling import Sampler

KINDS = ("data", "model", "optimizer", "schedule", "loss", "averaging", "loop")
"""The fields of a Recipe that hold one ingredient; `augment` holds several."""

Watched = Literal["weight_norm", "gradient_norm", "update_ratio"]
"""What can be measured at every optimizer step, and so become a column of steps.csv."""

OFF = ("off", False, None)
"""What switches an augmentation off (YAML 1.2 reads `off` as text)."""


_TRUST: ContextVar[bool] = ContextVar("trust", default=True)
"""Whether outside code may be imported while a Recipe is made; from Python it may."""


def _each_once(names: tuple[Watched, ...]) -> tuple[Watched, ...]:
    """In one order, so that the order in which a file gives them makes no other recipe."""
    return tuple(name for name in get_args(Watched) if name in names)


class Recipe(BaseModel):
    """Everything that determines one training.

    Ingredients are given by name (``"adam"``), as a mapping with `use`, or as an object; YAML and Python say the same.

    Raises:
        InputError: a key, type or value is wrong; names the key path and the nearest right name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    data: SerializeAsAny[DataIngredient] = Field(description="the images and how they are split")
    augment: tuple[SerializeAsAny[AugmentIngredient], ...] = Field(default=(), description="what is done to each batch, in this order")
    model: SerializeAsAny[ModelIngredient] = Field(description="the network")
    optimizer: SerializeAsAny[OptimizerIngredient] = Field(default="sgd", description="what changes the weights", validate_default=True)
    schedule: SerializeAsAny[ScheduleIngredient] = Field(default="constant", description="the learning rate over the training", validate_default=True)
    loss: SerializeAsAny[LossIngredient] = Field(default="cross_entropy", description="what training lowers", validate_default=True)
    averaging: SerializeAsAny[AveragingIngredient] = Field(
        default="none", description="whether an average of the weights is evaluated", validate_default=True
    )
    loop: SerializeAsAny[LoopIngredient] = Field(default="standard", description="the order of events", validate_default=True)
    epochs: int = Field(default=10, ge=1, le=1_000_000, description="budget: passes over the training images")
    steps: int | None = Field(default=None, ge=1, le=1_000_000_000, description="budget in optimizer steps, instead of epochs")
    batch_size: int = Field(default=128, ge=1, le=1_000_000, description="images in one optimizer step")
    micro_batch: int | None = added(
        None,
        absent=None,
        ge=1,
        le=1_000_000,
        description="images of a step that go through the network together, their gradients added up, so that a large batch fits the cache; "
        "batch norm then sees only these; null: the whole batch",
    )
    clip_norm: float | None = Field(default=None, gt=0, description="the gradient's L2 norm is cut to this")
    choose: Literal["validation_accuracy", "validation_loss"] = Field(default="validation_accuracy", description="what chooses the best epoch")
    patience: int | None = Field(default=None, ge=1, le=1_000_000, description="stop after this many epochs without a better one")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", description="auto: resolved once a study, into study.lock")
    precision: Literal["auto", "fp32", "bf16"] = Field(default="auto", description="auto: bf16 autocast where the device gains by it")
    memory_format: Literal["auto", "contiguous", "channels_last"] = Field(
        default="auto", description="auto: channels_last where the device gains by it"
    )
    compile: bool | Literal["auto"] = Field(default="auto", description="torch.compile; auto: off, since it was nowhere measured to be faster yet")
    deterministic: bool = Field(default=False, description="repeat bit for bit on a GPU too, at some cost (a CPU always does)")
    watch: Annotated[tuple[Watched, ...], Field(strict=False), AfterValidator(_each_once)] = added(
        (),
        absent=[],
        description="measured at every step: weight_norm, gradient_norm, update_ratio (L2 norms over all parameters; changes nothing in training)",
    )
    evaluate: Evaluation | None = added(
        None, absent=None, description="what is evaluated at the end besides the chosen weights: {mc_dropout: {masks, average, repeats}}"
    )
    sampler: Sampler = added(
        None,
        absent=None,
        description="which training images an epoch shows: uniform, balanced or weighted by class, with replacement or without; null: each once",
    )
    seed: int = Field(default=0, ge=0, le=2**31, description="what all randomness is derived from")

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise faults.told(error, Recipe) from None

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, trust: bool) -> Recipe:
        """Make a Recipe from plain data, such as a study file's `base`.

        Args:
            given: keys as in a study file.
            trust: whether code outside the package may be imported.
        """
        before = _TRUST.set(trust)
        try:
            return cls(**{str(key): value for key, value in given.items()})
        finally:
            _TRUST.reset(before)

    @model_validator(mode="before")
    @classmethod
    def _ingredients(cls, given: Any) -> Any:
        trust = _TRUST.get()
        if not isinstance(given, Mapping):
            return given
        unknown = [key for key in given if key not in cls.model_fields]
        if unknown:
            raise InputError("unknown setting", where=str(unknown[0]), right=nearest(str(unknown[0]), cls.model_fields))
        made = dict(given)
        for kind in KINDS:
            default = cls.model_fields[kind].default
            if kind not in made and not isinstance(default, str):
                raise InputError("is missing", where=kind, right=f"name one of: {', '.join(catalog.names(kind))}")
            if kind in made:
                made[kind] = _ingredient(kind, made[kind], kind, trust)
            elif isinstance(default, str):
                made[kind] = catalog.parse(kind, default)
        made["augment"] = _augmentations(made.get("augment", ()), trust)
        return made

    @model_validator(mode="after")
    def _one_budget(self) -> Recipe:
        if self.steps is not None and "epochs" in self.model_fields_set:
            raise InputError("both epochs and steps are given", where="steps", right="give one budget")
        return self

    @model_validator(mode="after")
    def _parts_add_up(self) -> Recipe:
        if self.micro_batch is not None and getattr(self.loss, "class_weights", None) is not None:
            raise InputError("a loss with class weights is no mean of its parts' losses", where="micro_batch", right="leave one of the two out")
        return self

    @field_serializer(*KINDS)
    def _written(self, part: Ingredient) -> dict[str, Any]:
        return {"use": part.use, **part.settings()}

    @field_serializer("augment")
    def _all_written(self, parts: tuple[Ingredient, ...]) -> list[dict[str, Any]]:
        return [{"use": part.use, **part.settings()} for part in parts]

    def spec(self) -> dict[str, Any]:
        """Every setting as plain data, defaults included; `Recipe.parse` of it gives an equal Recipe."""
        written = self.model_dump(mode="json")
        written.pop("epochs" if self.steps is not None else "steps")
        return written

    def unused(self) -> list[str]:
        """Dotted paths of the later settings (`protocols.added`) that do nothing here: the page need not list them."""
        paths = [name for name in self.spec() if name not in _declared(self, self.spec())]
        for kind in KINDS:
            part = getattr(self, kind)
            paths += [f"{kind}.{name}" for name in part.settings() if name not in _declared(part, part.settings())]
        return paths

    def given(self) -> dict[str, Any]:
        """The settings that were given, without defaults: what changes are applied to."""

        def part(ingredient: Ingredient) -> dict[str, Any]:
            return {"use": ingredient.use, **{k: v for k, v in ingredient.settings().items() if k in ingredient.model_fields_set}}

        written = {key: value for key, value in self.spec().items() if key in self.model_fields_set}
        written |= {kind: part(getattr(self, kind)) for kind in KINDS}
        written["augment"] = [part(step) for step in self.augment]
        return written

    def with_seed(self, seed: int) -> Recipe:
        """The same recipe with another seed."""
        copied = self.model_copy(update={"seed": seed})
        copied.__dict__.pop("id", None)  # a copy brings the cached id along
        return copied

    def with_data(self, settings: Mapping[str, Any]) -> Recipe:
        """The same recipe with other settings of its data, such as another split."""
        copied = self.model_copy(update={"data": self.data.model_copy(update=dict(settings))})
        copied.__dict__.pop("id", None)
        return copied

    @cached_property
    def id(self) -> str:
        """SHA-256 (hex) of the declared settings and of the source of outside code.

        A setting added later (`protocols.added`) is left out where it has the value that does what was done before.
        """
        declared = _declared(self, self.spec())
        for kind in KINDS:
            declared[kind] = _identity(getattr(self, kind))
        declared["augment"] = [_identity(step) for step in self.augment]
        if self.evaluate is not None:
            declared["evaluate"] = _declared(self.evaluate, declared["evaluate"])
        return hashlib.sha256(json.dumps(declared, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _augmentations(given: Any, trust: bool) -> tuple[Ingredient, ...]:
    if isinstance(given, str) or not isinstance(given, (list, tuple)):
        raise InputError("is not a list of augmentations", where="augment", right="write [{use: flip}, {use: crop, padding: 4}]")
    made = [_ingredient("augment", item, f"augment.{augment_name(item)}".rstrip("."), trust) for item in given]
    names = [augment_name({"use": step.use}) for step in made]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError("stands twice in the list", where=f"augment.{sorted(twice)[0]}", right="give each augmentation once")
    if "normalize" not in names:
        made.append(catalog.parse("augment", "normalize"))
    return tuple(made)


def augment_name(item: Any) -> str:
    """The name by which changes address an augmentation: its file's, or the class name of outside code."""
    use = item.use if isinstance(item, Ingredient) else item.get("use", "") if isinstance(item, Mapping) else item
    return str(use).rpartition(":")[2]


def _ingredient(kind: str, value: Any, where: str, trust: bool) -> Ingredient:
    try:
        return catalog.parse(kind, value, trust=trust)
    except InputError as error:
        raise error.below(where) from None


def _declared(part: BaseModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    fields = type(part).model_fields
    kept = {}
    for name, value in settings.items():
        extra = fields[name].json_schema_extra if name in fields else None
        if not (isinstance(extra, dict) and "absent" in extra and extra["absent"] == value):
            kept[name] = value
    return kept


def _identity(part: Ingredient) -> dict[str, Any]:
    declared = {"use": part.use, **_declared(part, part.settings())}
    return declared | {"source": catalog.source_hash(part.use)} if catalog.is_outside(part.use) else declared
