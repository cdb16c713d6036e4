"""Measure speed on this machine and write docs/benchmarks.md: ours against a bare step and a plain loop, in one run.

`make bench` or `python bench/speed.py [--seconds 12] [--rounds 3]`. Each measurement is a process of its own; subjects
are interleaved, and medians over rounds are compared. Needs CIFAR-10 (`$CONTRAST_DATA`) and a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAIRS = [
    ("u3-b256", "contrast", "bare", "loop over bare steps, U3's net, batch 256", "≥ 0.97"),
    ("u3-b32", "contrast", "bare", "loop over bare steps, U3's net, batch 32", "—"),
    ("u3-b32-flip-crop", "contrast", "plain", "against the plain loop, U3's net, batch 32, flip + crop", "≥ 2"),
    ("u3-b256-flip-crop", "contrast", "plain", "against the plain loop, U3's net, batch 256, flip + crop", "—"),
]


def measured(subject: str, work: str, seconds: float) -> float:
    """Images per second, in a process of its own."""
    done = subprocess.run([sys.executable, ROOT / "bench/work.py", subject, work, str(seconds)], capture_output=True, text=True, check=True, cwd=ROOT)
    return float(json.loads(done.stdout)["images_per_second"])


def ratios(seconds: float, rounds: int) -> list[str]:
    """The table of ratios, as Markdown rows."""
    rows = ["| what | ours, images/s | the other's | ratio | range over rounds | goal |", "|---|---|---|---|---|---|"]
    for work, ours, other, words, goal in PAIRS:
        taken: dict[str, list[float]] = {ours: [], other: []}
        for number in range(rounds):
            for subject in (ours, other) if number % 2 == 0 else (other, ours):
                taken[subject].append(measured(subject, work, seconds))
                print(f"{work:24} {subject:10} {taken[subject][-1]:8.0f} images/s", flush=True)
        each = [a / b for a, b in zip(taken[ours], taken[other], strict=True)]
        first, second = statistics.median(taken[ours]), statistics.median(taken[other])
        rows.append(f"| {words} | {first:,.0f} | {second:,.0f} | {first / second:.2f} | {min(each):.2f} … {max(each):.2f} | {goal} |")
    return rows


def wall(words: list[str], **more: object) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True, cwd=ROOT, **more)  # type: ignore[call-overload]
    return time.perf_counter() - began


def first_step() -> float:
    """Seconds from typing `contrast run quickstart` to the first finished training step."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        running = subprocess.Popen([sys.executable, ROOT / "bench/first_step.py", folder], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert running.stdout is not None
        running.stdout.readline()
        taken = time.perf_counter() - began
        running.kill()
        running.communicate()
    return taken


def start_up() -> list[str]:
    """The table of start-up times, as Markdown rows: medians of five, warm."""
    python = sys.executable
    empty = statistics.median(wall([python, "-c", "pass"]) for _ in range(5))
    imported = statistics.median(wall([python, "-c", "import contrast"]) for _ in range(5)) - empty
    helped = statistics.median(wall([python, "-m", "contrast", "--help"]) for _ in range(5))
    begun = statistics.median(first_step() for _ in range(5))
    return [
        "| what | seconds | goal |",
        "|---|---|---|",
        f"| `import contrast` (beyond an empty Python) | {imported:.3f} | ≤ 0.1 |",
        f"| `contrast --help` | {helped:.2f} | ≤ 0.3 |",
        f"| `contrast run quickstart` to the first training step | {begun:.1f} | ≤ 5 |",
    ]


def peak_memory() -> list[str]:
    """Peak memory of a short CIFAR-10 run with S1's net, as Markdown rows."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["run", "cifar10-batchnorm", "steps=20", "seeds=1", "data.train=45000", "--runs", folder, "--quiet"]
        wall([sys.executable, "-m", "contrast", *command])
        peaks = [json.loads(path.read_text())["peak_memory_bytes"] / 1e9 for path in Path(folder).glob("*/summary.json")]
    return [
        "| what | GB | goal |",
        "|---|---|---|",
        f"| peak memory of a CIFAR-10 run, S1's net, batch 128, 45,000 images | {max(peaks):.2f} | ≤ 1.5 |",
    ]


def machine() -> str:
    """Processor, cores and versions in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("torch", "torchvision", "numpy"))
    return f"{name}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="times that each pair is measured")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks.md")
    asked = parser.parse_args()
    page = [
        "# Benchmarks",
        "",
        f"Measured on {date.today()} by `python bench/speed.py --seconds {asked.seconds:g} --rounds {asked.rounds}` on: {machine()}.",
        "Medians over rounds, subjects interleaved, each measurement in a process of its own. Ratios are what to read: images per second",
        "are this machine's. *Bare* is forward, backward and update on one fixed batch under the same precision and memory format;",
        "*plain* is the loop of a course report: torchvision transforms an image, DataLoader (0 workers), fp32.",
        "",
        "## Training",
        *ratios(asked.seconds, asked.rounds),
        "",
        "## Start-up",
        *start_up(),
        "",
        "## Memory",
        *peak_memory(),
        "",
    ]
    asked.out.write_text("\n".join(page), encoding="utf-8")
    print(f"wrote {asked.out}")


if __name__ == "__main__":
    main()
