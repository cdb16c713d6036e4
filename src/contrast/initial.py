"""Which initial values a network starts from: a scheme, its gain, and the parameters that it is for."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator

Scheme = Literal["default", "zero", "normal", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "orthogonal"]
Nonlinearity = Literal["activation", "linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
_SCALED = ("glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "orthogonal")
"""Schemes that have a gain."""


class Initial(BaseModel):
    """A scheme of initial values.

    What each scheme does, with fan_in and fan_out the values that enter and leave one output place:

    * ``default``: torch's own, U(±1/√fan_in) for weights and biases (LeCun et al. 1998).
    * ``zero``: all 0.  ``normal``: N(0, std²).
    * ``glorot_…``: variance gain² · 2 / (fan_in + fan_out) (Glorot & Bengio 2010), gain 1.
    * ``he_…``: variance gain² / fan_in (He et al. 2015), gain √2.
    * ``orthogonal``: rows (or columns) orthogonal and of length gain (Saxe et al. 2014), gain 1.

    With ``of: all`` parameters of one dimension (biases) become 0, or are drawn too by ``normal``; with ``of: matrices``
    they keep torch's own values. Normalizations start neutral (weight 1, bias 0) whatever the scheme, since a weight of 0
    there would silence the network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    scheme: Scheme = Field(default="default", description="how values are drawn")
    gain: Annotated[float, Field(gt=0)] | Nonlinearity | None = Field(
        default=None,
        description="factor on the standard deviation: a number, torch's for a nonlinearity (`activation`: the network's own), null for the scheme's",
    )
    std: float | None = Field(default=None, gt=0, description="standard deviation of normal; null for 1")
    of: Literal["all", "matrices"] = Field(default="all", description="which parameters: all, or those of two and more dimensions")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.gain is not None and self.scheme not in _SCALED:
            raise ValueError(f"{self.scheme} has no gain; take one of: {', '.join(_SCALED)}")
        if self.std is not None and self.scheme != "normal":
            raise ValueError(f"std is for normal, {self.scheme} has its own")
        if self.of != "all" and self.scheme == "default":
            raise ValueError("default is for all parameters; name another scheme beside of: matrices")
        return self


def _shortest(given: Scheme | Initial) -> Scheme | Initial:
    """``{scheme: zero}`` and ``zero`` are one setting, and so must be one recipe."""
    return given.scheme if isinstance(given, Initial) and given == Initial(scheme=given.scheme) else given


def _form(given: object) -> str:
    return "name" if isinstance(given, str) else "mapping"


_FORMS = Annotated[Annotated[Scheme, Tag("name")] | Annotated[Initial, Tag("mapping")], Discriminator(_form)]
_WORDS = {"anyOf": [{"enum": list(get_args(Scheme))}, Initial.model_json_schema()]}
InitialSetting = Annotated[_FORMS, AfterValidator(_shortest), WithJsonSchema(_WORDS)]
"""A scheme's name, or a mapping with its settings."""


def written_out(setting: Scheme | Initial) -> Initial:
    """The setting with everything that its short form leaves to defaults."""
    return setting if isinstance(setting, Initial) else Initial(scheme=setting)


def check_gain(setting: Scheme | Initial, activation: str | None) -> None:
    """Refuse a gain of the network's activation that torch does not know.

    Args:
        setting: what a model's `initial` says.
        activation: the network's nonlinearity by name, None where its settings name none.

    Raises:
        ValueError: `torch.nn.init.calculate_gain` has no value for it (becomes a `pydantic.ValidationError`).
    """
    if written_out(setting).gain == "activation" and activation not in (*get_args(Nonlinearity)[1:], "none"):
        told = f"torch knows no gain for {activation}" if activation else "the network's settings name no activation"
        raise ValueError(f"initial.gain: {told}; give a number or one of: {', '.join(get_args(Nonlinearity)[1:])}")
