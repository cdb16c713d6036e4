"""Dropout at test time: accuracy and loss of averages over random masks, and how unsure each image leaves the model."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from contrast import keyed
from contrast.engine.batches import Part
from contrast.engine.evaluate import Evaluator, Outcomes
from contrast.errors import InputError
from contrast.evaluation import MCDropout
from contrast.recipe import Recipe

COLUMNS = ("part", "scheme", "masks", "repeat", "accuracy", "loss")
_WHOLE_MAPS = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_KINDS = (keyed.Dropout, nn.Dropout, *_WHOLE_MAPS)


def dropouts(model: nn.Module) -> list[tuple[str, Any]]:
    """Names and modules of a model that drop anything in training.

    Raises:
        InputError: there is none, so masks would change nothing.
    """
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, _KINDS) and module.p > 0]
    if not found:
        raise InputError(
            "the network has no dropout to draw masks for", where="evaluate.mc_dropout", right="give it dropout, or leave mc_dropout out"
        )
    return found


def check(recipe: Recipe, model: nn.Module) -> None:
    """Refuse a recipe that asks for masks of a network that has no dropout; the model may be on the meta device.

    Raises:
        InputError: it does.
    """
    if recipe.evaluate is not None and recipe.evaluate.mc_dropout is not None:
        dropouts(model)


class Thinned:
    """A copy of a model whose dropout masks are drawn in evaluation mode, each by (seed, module name, number of the mask).

    A mask is one for all images, so that N masks are N networks, whatever the batches. Where training drops whole maps,
    the masks do.
    """

    def __init__(self, model: nn.Module, seed: int) -> None:
        self.model = copy.deepcopy(model).eval()  # a copy is not compiled, which would pass the hooks by
        self._seed, self._number = seed, 0
        self._kept: dict[tuple[str, torch.Size], Tensor] = {}
        for name, module in dropouts(self.model):
            module.register_forward_hook(lambda m, _, output, name=name: output * self._mask(name, m, output))

    def take(self, number: int) -> None:
        """Go on with the masks of this number."""
        self._number, self._kept = number, {}

    def _mask(self, name: str, module: Any, output: Tensor) -> Tensor:
        """0 for what is dropped and 1 / (1 − p) for the rest, for one image."""
        shape = output.shape[1:]
        if (name, shape) not in self._kept:
            drawn = torch.Size((shape[0], *(1 for _ in shape[1:]))) if isinstance(module, _WHOLE_MAPS) else shape
            draws = torch.rand(drawn, generator=keyed.generator(self._seed, "mc_dropout", name, self._number))
            self._kept[name, shape] = ((draws >= module.p) / (1 - module.p)).to(output.device, output.dtype)
        return self._kept[name, shape]


@dataclass(frozen=True)
class Found:
    """What dropout at test time gave on one part.

    Attributes:
        rows: one a scheme (scaling, logits, probabilities), number of masks and repeat, with the columns `COLUMNS`.
        outcomes: the mean of the probabilities over all masks of all repeats.
        predictive_entropy: of that mean, for each image, in nats.
        mutual_information: between prediction and mask: that entropy minus the masks' mean entropy, in nats (at least 0).
    """

    rows: list[dict[str, Any]]
    outcomes: Outcomes
    predictive_entropy: Tensor
    mutual_information: Tensor


@torch.inference_mode()
def measure(model: nn.Module, evaluator: Evaluator, part: Part, name: str, settings: MCDropout, seed: int) -> Found:
    """Evaluate a part with the weights scaled (dropout off) and averaged over masks.

    Args:
        model: with the chosen weights; it is left as it was.
        part: validation or test.
        name: the part's.
        seed: the run's; both parts are shown to the same masks.

    Raises:
        InputError: the model has no dropout.
    """
    labels, most = part.labels.cpu(), settings.masks[-1]
    rows = [_row(name, "scaling", 0, 1, evaluator.outcomes(model, part))]
    thinned = Thinned(model, seed)
    pooled, uncertainty = torch.zeros(len(part), part.classes, dtype=torch.float64), torch.zeros(len(part), dtype=torch.float64)
    for repeat in range(1, settings.repeats + 1):
        sums = {average: torch.zeros_like(pooled) for average in ("logits", "probabilities")}
        for count, logits in enumerate(_drawn(thinned, evaluator, part, (repeat - 1) * most, most), start=1):
            probabilities = logits.softmax(1)
            sums["logits"] += logits
            sums["probabilities"] += probabilities
            uncertainty += entropy(probabilities)
            if count in settings.masks:
                rows += [_row(name, average, count, repeat, _averaged(average, sums[average] / count, labels)) for average in settings.average]
        pooled += sums["probabilities"]
    drawn = settings.repeats * most
    mean = pooled / drawn
    outcomes, whole = _averaged("probabilities", mean, labels), entropy(mean)
    return Found(rows, outcomes, whole.float(), (whole - uncertainty / drawn).clamp(min=0).float())


def _drawn(thinned: Thinned, evaluator: Evaluator, part: Part, first: int, count: int) -> Iterator[Tensor]:
    """The logits under each mask, ``float64 [N, classes]``, on the CPU."""
    for number in range(first, first + count):
        thinned.take(number)
        yield evaluator.logits(thinned.model, part).cpu().double()


def _averaged(average: str, mean: Tensor, labels: Tensor) -> Outcomes:
    """What an average says: of logits before the softmax, or of probabilities after it."""
    return Outcomes((functional.log_softmax(mean, dim=1) if average == "logits" else mean.log()).float(), labels)


def entropy(probabilities: Tensor) -> Tensor:
    """−Σ p ln p of each row, in nats."""
    terms: Tensor = torch.special.entr(probabilities)
    return terms.sum(1)


def _row(part: str, scheme: str, masks: int, repeat: int, outcomes: Outcomes) -> dict[str, Any]:
    figures = {"accuracy": f"{outcomes.accuracy:.7g}", "loss": f"{outcomes.loss:.7g}"}
    return {"part": part, "scheme": scheme, "masks": masks, "repeat": repeat, **figures}


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as the text of mc_dropout.csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def image_rows(found: Found, part: Part) -> bytes:
    """One row per image as Parquet: id, label, prediction, p(true), predictive entropy and mutual information in nats."""
    import pyarrow as pa
    from pyarrow import parquet

    outcomes, stream = found.outcomes, io.BytesIO()
    columns = {
        "id": pa.array(part.ids, pa.string()),
        "label": pa.array(outcomes.labels.numpy(), pa.int32()),
        "prediction": pa.array(outcomes.predictions.numpy(), pa.int32()),
        "p_true": pa.array(torch.exp(-outcomes.losses).numpy(), pa.float32()),
        "predictive_entropy": pa.array(found.predictive_entropy.numpy(), pa.float32()),
        "mutual_information": pa.array(found.mutual_information.numpy(), pa.float32()),
    }
    parquet.write_table(pa.table(columns), stream, compression="zstd")
    return stream.getvalue()
