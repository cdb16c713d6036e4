"""What `--profile` prints: a line for each network, with the share of a step that each part takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from contrast.shown import shown

if TYPE_CHECKING:
    from rich.console import Console

MOST_OF_A_NAME = 40


def render(profiles: Iterable[Mapping[str, Any]], machine: Mapping[str, Any], console: Console) -> None:
    """Print profiles as they come.

    Args:
        profiles: ``Profile.to_dict()`` of each network.
        machine: the plan for the machine, from the study's lock.
        console: where to.
    """
    from rich.text import Text

    console.print(Text(f"{machine['device']}, {machine['precision']}, {machine['memory_format'].replace('_', ' ')}, threads {machine['threads']}"))
    for profile in profiles:
        console.print()
        for line in lines(profile):
            console.print(Text(line))


def lines(profile: Mapping[str, Any]) -> list[str]:
    """One network's lines."""
    step = sum(profile["seconds"].values())
    batch = profile["batch_size"]
    head = f"{shown(profile['arm'], MOST_OF_A_NAME)}: {1000 * step:.1f} ms a step of {batch} images, {batch / step:,.0f} images/s"
    rate = f"{profile['operations'] / step / 1e12:.3f} TFLOP/s achieved ({profile['operations'] / 1e9:.2f} GFLOP a step)"
    parts = [f"  {phase:10} {1000 * seconds:9.2f} ms  {100 * seconds / step:5.1f} %" for phase, seconds in profile["seconds"].items()]
    more = [
        f"  evaluation {1000 * profile['evaluation']:9.3f} ms an image",
        f"  keeping    {1000 * profile['keeping']:9.1f} ms a checkpoint",
        f"  {rate}, peak memory {profile['peak_memory_bytes'] / 1e9:.2f} GB",
        f"  trace {profile['trace']}  (open it at ui.perfetto.dev or chrome://tracing)",
    ]
    return [head, *parts, *more]
