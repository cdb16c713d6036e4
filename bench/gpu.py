"""Measure on one GPU what the issue of speed asks of one: `python bench/gpu.py [--airbench airbench94_muon.py] [--parts …]`.

* best     seconds of `cifar10-best` with whole batches, and its test accuracy; the first run is warm-up. With `--airbench`, the
           published script of KellerJordan/cifar10-airbench, fetched by you, runs right before and after, and its last lines stand beside.
* wide     the same recipe with wider groups and more steps, meant for 96 %. Its settings are a first guess, tuned nowhere.
* many     27 runs of `dropout-sweep` one by one, in processes side by side, and stacked.
* plain    U3 against the plain loop on the same device.

Prints Markdown; nothing is written into docs. `--shrunk` does it all small, to see that it works on a machine without a GPU;
its numbers mean nothing. Needs CIFAR-10 (`$CONTRAST_DATA`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHRUNK = {"data.train": "1000", "data.validation": "200", "batch_size": "100", "model.channels": "[8, 8, 8]", "steps": "4", "evaluate": "null"}
"""A little of everything."""
WIDE = {"model.channels": "[128, 512, 512]", "steps": "1000", "augment.crop.padding": "4", "optimizer.lr": "0.2"}
EXECUTORS = {"one by one": [], "4 processes": ["--executor", "local", "--workers", "4"], "stacked": ["--executor", "stacked"]}


def run(study: str, changes: list[str], options: list[str] | None = None) -> tuple[float, list[dict[str, Any]]]:
    """Carry a study out in a folder that is dropped.

    Returns:
        Seconds from start to end, and the runs' summaries in the order in which they ended.

    Raises:
        SystemExit: with its last words, where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [sys.executable, "-m", "contrast", "run", study, *changes, "--runs", f"{folder}/runs", "--quiet", *(options or [])]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
        taken = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(done.stderr.strip()[-2000:])
        kept = sorted(Path(folder).glob("runs/*/summary.json"), key=lambda path: path.stat().st_mtime)
        return taken, [json.loads(path.read_text(encoding="utf-8")) for path in kept]


def spread(values: list[float], unit: str) -> str:
    """Mean, standard deviation and number."""
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values) if len(values) > 1 else float('nan'):.2f} {unit} ({len(values)} runs)"


def best(given: argparse.Namespace, changes: dict[str, str], name: str) -> list[str]:
    """Seconds of training and evaluation, and accuracy, over seeds; the first run is left out."""
    settings = {"micro_batch": "null", "seeds": str(given.seeds + 1), **changes, **(SHRUNK if given.shrunk else {})}
    _, runs = run("cifar10-best", [f"{path}={value}" for path, value in settings.items()])
    seconds = [one["train_seconds"] + one["evaluation_seconds"] for one in runs[1:]]
    accuracy = [100 * one["test_accuracy"] for one in runs[1:]]
    return [f"| {name} | {spread(seconds, 's')} | {spread(accuracy, '% test')} |"]


def airbench(script: Path) -> list[str]:
    """The last lines of the published script, as it prints them."""
    told = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True)
    return ["", "```", *(told.stdout or told.stderr).strip().splitlines()[-4:], "```", ""]


def many(given: argparse.Namespace) -> list[str]:
    """27 runs of one shape, in three ways."""
    small = ["data.train=1000", "data.validation=200", "model.channels=[8, 8]", "seeds=1"] if given.shrunk else []
    rows = ["", "| 27 runs of a dropout study of S1, 2 epochs | seconds | one by one over it |", "|---|---|---|"]
    taken = {name: run("dropout-sweep", ["epochs=2", *small], options)[0] for name, options in EXECUTORS.items()}
    return rows + [f"| {name} | {seconds:.1f} | {taken['one by one'] / seconds:.2f} |" for name, seconds in taken.items()]


def plain(given: argparse.Namespace) -> list[str]:
    """U3 with flip + crop."""
    rows = ["", "| U3, flip + crop | images/s | plain loop | ratio |", "|---|---|---|---|"]
    for batch in (32, 256):
        both = {}
        for subject in ("contrast", "plain"):
            command = [sys.executable, ROOT / "bench/work.py", subject, f"u3-b{batch}-flip-crop", "1" if given.shrunk else "10"]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
            both[subject] = float(json.loads(done.stdout.strip().splitlines()[-1])["images_per_second"])
        rows.append(f"| batch {batch} | {both['contrast']:,.0f} | {both['plain']:,.0f} | {both['contrast'] / both['plain']:.1f} |")
    return rows


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--parts", nargs="*", default=["best", "wide", "many", "plain"])
    asked.add_argument("--airbench", type=Path, help="the published script, to run beside ours")
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--shrunk", action="store_true", help="small and on whatever device, to see that it works")
    given = asked.parse_args()
    beside = airbench(given.airbench) if given.airbench else []
    lines = ["| recipe | training and evaluation, after warm-up | accuracy |", "|---|---|---|"]
    if "best" in given.parts:
        lines += best(given, {}, "cifar10-best, whole batches")
    if "wide" in given.parts:
        lines += best(given, WIDE, "wide, untuned")
    lines += [*beside, *(airbench(given.airbench) if given.airbench else [])]
    for name, part in (("many", many), ("plain", plain)):
        lines += part(given) if name in given.parts else []
    print("\n".join(lines))


if __name__ == "__main__":
    main()
