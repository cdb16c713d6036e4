"""The commands that look at data sets, networks and finished runs: data, model, explain, predict, export; and doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from contrast.commands import typed
from contrast.commands.typed import Quiet


def data(
    name: str,
    /,
    *changes: str,
    data: Path | None = None,
    format: Literal["text", "json"] = "text",
    picture: Path | None = None,
    augmented: Path | None = None,
    page: Path | None = None,
    audit: Quiet = False,
    exclusions: Path | None = None,
    study: Path | None = None,
) -> int:
    """Look at a data set: counts, shapes, channel statistics, a picture of samples.

    Parameters
    ----------
    name
        A data set (`contrast list data`) or a folder of class folders.
    changes
        Its settings, as path=value: validation=5000, size=64.
    data
        Where data sets lie; then $CONTRAST_DATA and the user's cache folder are searched.
    format
        text or json.
    picture
        Write samples with their labels to this PNG file.
    augmented
        Write one image under each augmentation to this PNG file.
    page
        Write all of this, pictures included, to this HTML file.
    audit
        Look for damage, duplicates, leaks between the parts, imbalance.
    exclusions
        With --audit: write the images to leave out to this file.
    study
        With --audit: let the networks of the finished study in this folder judge the labels.
    """
    from contrast.look import Wished, data_source, tell_audit, tell_data
    from contrast.protocols import Places

    source = data_source(name, typed.pairs(changes))
    if audit:
        tell_audit(source, Places.usual(data), as_json=format == "json", exclusions=exclusions, study=study)
    else:
        tell_data(source, Places.usual(data), as_json=format == "json", wished=Wished(picture, augmented, page), name=name)
    return 0


def model(
    name: str,
    /,
    *changes: str,
    input: str = "3x32x32",
    classes: int = 10,
    formulas: Quiet = False,
    format: Literal["text", "json"] = "text",
    trust_code: Quiet = False,
) -> int:
    """The layer table: output shape, window, parameters, MACs, memory, receptive field; total, trainable, frozen.

    Parameters
    ----------
    name
        A model (`contrast list model`), or module:factory with --trust-code.
    changes
        Its settings, as path=value: channels=[32,64], norm=batch.
    input
        Channels x height x width of one image.
    classes
        Width of the output.
    formulas
        Show how each parameter count comes about.
    format
        text or json.
    trust_code
        Let code from outside the package run.
    """
    from contrast.look import shape_of, tell_model

    trust = typed.trusted(trust_code)
    tell_model(name, typed.pairs(changes), shape_of(input), classes, formulas=formulas, trust=trust, as_json=format == "json")
    return 0


def explain(
    run: str,
    /,
    *images: Path,
    layer: str | None = None,
    out: Path | None = None,
    data: Path | None = None,
    trust_code: Quiet = False,
) -> int:
    """Look inside a finished run: filters, activations, attribution, mistakes, as a page and as PNG files.

    Parameters
    ----------
    run
        A run's folder, or RUNS:arm/seed (RUNS:arm for its best).
    images
        Photographs to show activations and attributions for; some test images where there are none.
    layer
        A convolution to look into besides the first and the last (`contrast model NAME` lists them).
    out
        The folder to write explain.html and explain/ into; the run's own by default.
    data
        Where data sets lie; then $CONTRAST_DATA and the user's cache folder are searched.
    trust_code
        Let code from outside the package run.
    """
    from contrast.inside import tell_explained

    tell_explained(run, images, layer, out, data, trust=typed.trusted(trust_code))
    return 0


def predict(
    run: str,
    /,
    *paths: Path,
    top: int = 5,
    format: Literal["text", "csv", "parquet", "json"] = "text",
    trust_code: Quiet = False,
) -> int:
    """Say what a trained network sees in images; damaged ones are named, the others go on, and the exit code is then 1.

    Parameters
    ----------
    run
        A run's folder, RUNS:arm/seed (RUNS:arm for its best), or a bundle that `contrast export --to torch` wrote.
    paths
        Images, or folders of images.
    top
        Classes an image, the most probable first.
    format
        text: a line an image; all others: a row an image and class.
    trust_code
        Let code from outside the package run.
    """
    from contrast.inside import tell_predicted

    return tell_predicted(run, paths, top, format, trust=typed.trusted(trust_code))


def export(run: str, bundle: Path, /, *, to: Literal["onnx", "torch"] = "torch", trust_code: Quiet = False) -> int:
    """Write a finished run as a bundle that goes anywhere: weights, classes and preprocessing, nothing pickled.

    Parameters
    ----------
    run
        A run's folder, or RUNS:arm/seed (RUNS:arm for its best).
    bundle
        The folder to write.
    to
        torch: safetensors, recipe and preprocessing, which `contrast predict` reads; onnx: one graph from uint8 images to logits.
    trust_code
        Let code from outside the package run.
    """
    from contrast.inside import tell_exported

    tell_exported(run, to, bundle, trust=typed.trusted(trust_code))
    return 0


def doctor(*, data: Path | None = None) -> int:
    """Device, precision, threads, memory, data found, and how to get what is missing.

    Parameters
    ----------
    data
        Where data sets lie; then $CONTRAST_DATA and the user's cache folder are searched.
    """
    from contrast.doctor import render

    render(data, typed.out())
    return 0
