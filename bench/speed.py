"""Measure speed on this machine and write docs/benchmarks.md: ours beside a bare step, a plain loop and the peers, in one run.

`make bench` or `python bench/speed.py [--seconds 5] [--rounds 2] [--parts loop many …]`: an hour on two cores. Each measurement is a
process of its own; subjects are interleaved, and medians over rounds are compared. The first round finds the best peers, later
ones measure these. All peers are measured on the small nets with flip + crop; elsewhere those that the goals need, and with
`--everything` all of them in every round: hours. Needs CIFAR-10 and cats_vs_dogs
(`$CONTRAST_DATA`), a quiet machine, and for the peers what `bench/peers.txt` lists; a peer that is not installed stands in the table as such.
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
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUBJECTS = (
    "contrast",
    "bare",
    "plain",
    "plain-2",
    "plain-bf16",
    "timm",
    "lightning",
    "lightning-bf16",
    "fastai",
    "skorch",
    "keras-torch",
    "keras-jax",
)
AS_THEY_SHIP = ("plain", "plain-2", "timm", "lightning", "fastai", "skorch", "keras-torch", "keras-jax")
BY_HAND = ("plain-bf16", "lightning-bf16")
NETS = {"u3-b32": "U3, batch 32", "u3-b256": "U3, batch 256", "n7-b64": "N7, batch 64", "s1-bn-b128": "S1 with batch norm, batch 128"}
RESNET = {"resnet18-64px-b64": "ResNet-18 at 64 px, batch 64"}
PLAIN_GOALS = {"u3-b32-flip-crop": 2.5, "u3-b256-flip-crop": 3.0, "n7-b64-flip-crop": 2.2, "s1-bn-b128-flip-crop": 2.6, "u3-b32-seven": 6.0}
PEER_GOALS = {"u3-b32": 1.6, "u3-b256": 1.6, "n7-b64": 1.4, "s1-bn-b128": 1.3}
BARE_GOALS = {"u3-b32-none": 0.92, "u3-b256-none": 0.98, "s1-bn-b128-none": 0.98}
LISTS = {"none": "no augmentation", "flip-crop": "flip + crop", "seven": "S5's seven"}

ALWAYS = ("contrast", "bare", "plain")
BRIEF = (*ALWAYS, "plain-bf16", "timm", "lightning", "lightning-bf16")
"""Who is measured on large nets with flip + crop, and on U3 with S5's seven; without augmentation, `ALWAYS` is."""
SMALL_NETS = ("u3-b32", "u3-b256", "n7-b64")

Taken = dict[tuple[str, str], list[float | None]]
"""(work, subject) → images per second by round; None where the peer could not be measured."""


def measured(subject: str, work: str, seconds: float) -> float | None:
    """Images per second, in a process of its own; None, with the last line of its error printed, where it fails."""
    command = [sys.executable, ROOT / "bench/work.py", subject, work, str(seconds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        if subject in ("contrast", "bare", "plain"):
            raise SystemExit(done.stderr)
        print(f"{work:28} {subject:15} {done.stderr.strip().splitlines()[-1][:120]}", flush=True)
        return None
    value = float(json.loads(done.stdout.strip().splitlines()[-1])["images_per_second"])
    print(f"{work:28} {subject:15} {value:8.0f} images/s", flush=True)
    return value


def measure_all(works: dict[str, tuple[str, ...]], seconds: float, rounds: int, *, everything: bool = True) -> Taken:
    """The subjects of every work, in turns: forwards in even rounds, backwards in odd ones.

    Args:
        everything: whether later rounds measure all of them, not the best peers of the first round alone.
    """
    taken: Taken = {(work, subject): [] for work, subjects in works.items() for subject in subjects}
    for number in range(rounds):
        for work, subjects in works.items():
            wanted = subjects if everything or number == 0 else leaders(taken, work, subjects)
            for subject in wanted if number % 2 == 0 else wanted[::-1]:
                failed = taken[work, subject] and taken[work, subject][-1] is None
                taken[work, subject].append(None if failed else measured(subject, work, seconds))
    return taken


def leaders(taken: Taken, work: str, subjects: tuple[str, ...]) -> tuple[str, ...]:
    """Ours, what it is always held against, and the best peer of each kind in the first round."""
    first = {key: values[:1] for key, values in taken.items()}
    wanted = {*ALWAYS, best(first, work, AS_THEY_SHIP), best(first, work, BY_HAND)}
    return tuple(subject for subject in subjects if subject in wanted)


def median(taken: Taken, work: str, subject: str) -> float | None:
    """Over the rounds."""
    values = [value for value in taken[work, subject] if value is not None]
    return statistics.median(values) if values else None


def best(taken: Taken, work: str, subjects: tuple[str, ...]) -> str | None:
    """The fastest of some subjects."""
    found = {subject: median(taken, work, subject) for subject in subjects if (work, subject) in taken}
    return max((subject for subject, value in found.items() if value), key=lambda subject: found[subject] or 0.0, default=None)


def ratio(taken: Taken, work: str, other: str) -> str:
    """Ours over another's: the median over rounds, and the range."""
    ours, theirs = taken[work, "contrast"], taken[work, other]
    each = [a / b for a, b in zip(ours, theirs, strict=False) if a and b]  # a peer that was not among the best has one round
    return spread(each)


def spread(ratios: list[float]) -> str:
    """The median of some rounds' ratios, and their range."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f})"


def against_goal(told: str, goal: float | None) -> str:
    """The goal, and whether the ratio of medians meets it."""
    if goal is None:
        return "—"
    return f"≥ {goal:g}" if float(told.split()[0]) >= goal else f"≥ {goal:g}: **not met**"


def rates_table(taken: Taken, works: Iterable[str]) -> list[str]:
    """Images per second of everybody."""
    rows = [f"| work | {' | '.join(SUBJECTS)} |", f"|---|{'---|' * len(SUBJECTS)}"]
    for work in works:
        cells = [median(taken, work, subject) if (work, subject) in taken else None for subject in SUBJECTS]
        rows.append(f"| {words(work)} | " + " | ".join("—" if cell is None else f"{cell:,.0f}" for cell in cells) + " |")
    return rows


def words(work: str) -> str:
    """A work's name for people."""
    net = next(net for net in (*NETS, *RESNET) if work.startswith(net))
    return f"{(NETS | RESNET)[net]}, {LISTS[work.removeprefix(f'{net}-')]}"


def goals_table(taken: Taken, works: Iterable[str]) -> list[str]:
    """Ratios of ours: against the plain loop (a), the best peer as it ships and with bf16 by hand (b)."""
    rows = ["| work | goal | against | ratio, range over rounds | wanted |", "|---|---|---|---|---|"]
    for work in works:
        told = ratio(taken, work, "plain")
        rows.append(f"| {words(work)} | a | plain fp32 loop | {told} | {against_goal(told, PLAIN_GOALS.get(work))} |")
        net = next(net for net in (*NETS, *RESNET) if work.startswith(net))
        for others, name, goal in ((AS_THEY_SHIP, "best peer as it ships", PEER_GOALS.get(net)), (BY_HAND, "best peer with bf16 by hand", 1.0)):
            peer = best(taken, work, others)
            if peer is not None:
                told = ratio(taken, work, peer)
                rows.append(f"| | b | {name}: {peer} | {told} | {against_goal(told, goal)} |")
    return rows


def loop_table(seconds: float, rounds: int) -> list[str]:
    """(c) the loop over bare steps, taking turns in one process."""
    rows = ["| (c) bare steps' time over the loop's, range over rounds | of its own network | wanted | of the network as the peers have it |"]
    rows.append("|---|---|---|---|")
    for work, goal in BARE_GOALS.items():
        own, bare = (spread([measured(subject, work, seconds) or 0.0 for _ in range(rounds)]) for subject in ("over-own", "over-bare"))
        rows.append(f"| {words(work)} | {own} | {against_goal(own, goal)} | {bare} |")
    return rows


def operations_table(taken: Taken, seconds: float) -> list[str]:
    """What our nets achieve of what one large convolution does on this machine."""
    peaks = {dtype: (measured(f"peak-{dtype}", "u3-b32-none", seconds) or 0.0) / 1e12 for dtype in ("bf16", "fp32")}
    rows = [
        f"One large convolution, forward and backward: {peaks['bf16']:.2f} TFLOP/s in bf16, {peaks['fp32']:.2f} in fp32.",
        "",
        "| net, without augmentation | MFLOP an image | TFLOP/s of training | of the peak in bf16 |",
        "|---|---|---|---|",
    ]
    for work in (work for work, subject in taken if subject == "contrast" and work.endswith("-none")):
        operations = measured("operations", work, 0.0) or 0.0
        achieved = operations * (median(taken, work, "contrast") or 0.0) / 1e12
        rows.append(f"| {words(work)} | {operations / 1e6:,.0f} | {achieved:.2f} | {100 * achieved / peaks['bf16']:.0f} % |")
    return rows


def evaluation_table(seconds: float, rounds: int) -> list[str]:
    """Evaluation of CIFAR-10's test images with U3's net."""
    taken = measure_all({"u3-b256-none": ("evaluate", "plain-evaluate")}, seconds, rounds)
    ours, plain = median(taken, "u3-b256-none", "evaluate") or 0.0, median(taken, "u3-b256-none", "plain-evaluate") or 1.0
    return [
        "| what | ours, images/s | plain loop | ratio |",
        "|---|---|---|---|",
        f"| evaluation, U3 | {ours:,.0f} | {plain:,.0f} | {ours / plain:.2f} |",
    ]


PACKED = """question: Packing of runs.
base:
  data: {use: cifar10, train: 8000, validation: 1000}
  model: {use: convnet, channels: [[32, 32], [64, 64]], padding: 0, head: [512]}
  optimizer: {use: sgd, lr: 0.001, momentum: 0.9}
  epochs: 5
  batch_size: %d
arms:
  second: {optimizer.lr: 0.002}
  third: {optimizer.lr: 0.003}
seeds: 4
"""


def packing_table(rounds: int) -> list[str]:
    """(e) twelve runs of U3: two workers of one thread against one by one with two threads; and (h) the share of keeping."""
    rows = ["| what | one by one, s | two workers, s | ratio, range over rounds | wanted |", "|---|---|---|---|---|"]
    shares: list[float] = []
    for batch in (32, 256):
        seconds: dict[str, list[float]] = {"inline": [], "local": []}
        for _ in range(rounds):
            for executor, taken in seconds.items():
                with tempfile.TemporaryDirectory() as folder:
                    study = Path(folder) / "packed.yaml"
                    study.write_text(PACKED % batch, encoding="utf-8")
                    more = ["--executor", "local", "--workers", "2"] if executor == "local" else []
                    taken.append(wall([sys.executable, "-m", "contrast", "run", str(study), "--runs", f"{folder}/runs", "--quiet", *more]))
                    kept = [json.loads(path.read_text()) for path in Path(folder).glob("runs/*/summary.json")]
                    shares += [run["keeping_seconds"] / run["seconds"] for run in kept]
        told = spread([a / b for a, b in zip(seconds["inline"], seconds["local"], strict=True)])
        one, two = (statistics.median(seconds[name]) for name in ("inline", "local"))
        rows.append(f"| (e) 12 runs of U3, batch {batch} | {one:.1f} | {two:.1f} | {told} | {against_goal(told, 1.25)} |")
    return [
        *rows,
        "",
        f"Keeping (checkpoints, rows) took {100 * statistics.median(shares):.1f} % of the time of these runs of some ten seconds (median).",
    ]


def wall(words: list[str], **more: object) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True, cwd=ROOT, **more)  # type: ignore[call-overload]
    return time.perf_counter() - began


def first_step(study: str) -> float:
    """Seconds from typing `contrast run STUDY` to the first finished training step."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        running = subprocess.Popen([sys.executable, ROOT / "bench/first_step.py", study, folder], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert running.stdout is not None
        running.stdout.readline()
        taken = time.perf_counter() - began
        running.kill()
        running.communicate()
    return taken


def start_up() -> list[str]:
    """The table of start-up times, as Markdown rows: medians of five, warm; the second study is on CIFAR-10, in the store."""
    python = sys.executable
    empty = statistics.median(wall([python, "-c", "pass"]) for _ in range(5))
    imported = statistics.median(wall([python, "-c", "import contrast"]) for _ in range(5)) - empty
    helped = statistics.median(wall([python, "-m", "contrast", "--help"]) for _ in range(5))
    return [
        "| what | seconds | goal |",
        "|---|---|---|",
        f"| `import contrast` (beyond an empty Python) | {imported:.3f} | ≤ 0.1 |",
        f"| `contrast --help` | {helped:.2f} | ≤ 0.3 |",
        *(
            f"| `contrast run {study}` to the first training step | {statistics.median(first_step(study) for _ in range(5)):.1f} | ≤ 4 |"
            for study in ("quickstart", "small-network")
        ),
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


def peers_sections(asked: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Ours beside the peers, and beside what the machine could do."""
    pairs = [(net, augment) for net in asked.nets for augment in asked.lists]
    works = {f"{net}-{augment}": subjects for net, augment in pairs if (subjects := subjects_of(net, augment, asked))}
    taken = measure_all(works, asked.seconds, asked.rounds, everything=asked.everything)
    yield "Ratios against the goals", [f"Peers' versions: {peers_versions()}.", "", *goals_table(taken, works)]
    yield "Images per second", rates_table(taken, works)
    yield "What the machine could do", operations_table(taken, asked.seconds)


PARTS: dict[str, Callable[[argparse.Namespace], Iterable[tuple[str, list[str]]]]] = {
    "peers": peers_sections,
    "loop": lambda asked: [("The loop", loop_table(asked.seconds, asked.rounds))],
    "evaluation": lambda asked: [("Evaluation", evaluation_table(asked.seconds, asked.rounds))],
    "many": lambda asked: [("Many runs", packing_table(asked.rounds))],
    "start-up": lambda asked: [("Start-up", start_up())],
    "memory": lambda asked: [("Memory", peak_memory())],
}
"""Part of the measurements → the page's sections that it gives, each a title and Markdown rows."""

HEAD = """# Benchmarks

Medians over rounds (peers that were not among the best in the first have that round alone), subjects interleaved,
each in a process of its own. Ratios are what to read: images per second are the machine's.
*Bare* is forward, backward and update on one fixed batch under the same precision and memory format, every layer in its place;
*plain* is the loop of a course report: torchvision transforms an image, DataLoader (0 workers; *plain-2*: 2), fp32;
*plain-bf16* the same with bf16 autocast and channels-last.

Loading, augmentation and scan: [benchmarks of data](benchmarks-data.md), with their commands.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=2, help="times that each is measured")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks.md")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS, help="only these; the page keeps its other sections")
    parser.add_argument("--nets", nargs="*", default=[*NETS, *RESNET], choices=[*NETS, *RESNET], help="only these nets")
    parser.add_argument("--lists", nargs="*", default=list(LISTS), choices=LISTS, help="only these augmentations")
    parser.add_argument("--subjects", nargs="*", default=list(SUBJECTS), choices=SUBJECTS, help="only these; contrast and plain are always there")
    parser.add_argument("--everything", action="store_true", help="all peers with all augmentations in every round: hours")
    asked = parser.parse_args()
    for part in asked.parts:
        made = [(title, [measured_by(), "", *rows, ""]) for title, rows in PARTS[part](asked)]
        sections = kept(asked.out) | dict(made)
        lines = [line for title, rows in sections.items() for line in (f"## {title}", *rows)]
        asked.out.write_text("\n".join([HEAD, *lines]), encoding="utf-8")
        print(f"wrote {part} to {asked.out}", flush=True)


def measured_by() -> str:
    """What says of a section when, where and how it was measured."""
    return f"{date.today()}, `{' '.join(['python bench/speed.py', *sys.argv[1:]])}`, {machine()}."


def kept(page: Path) -> dict[str, list[str]]:
    """The sections of a page that stands, title → lines."""
    sections: dict[str, list[str]] = {}
    for section in page.read_text(encoding="utf-8").split("\n## ")[1:] if page.exists() else []:
        title, *rows = section.rstrip("\n").split("\n")
        sections[title] = [*rows, ""]
    return sections


def subjects_of(net: str, augment: str, asked: argparse.Namespace) -> tuple[str, ...]:
    """Who is measured on a net with a list of augmentations."""
    if asked.everything:
        usual = SUBJECTS
    elif augment == "none":
        usual = ALWAYS
    elif augment == "seven":
        usual = tuple(subject for subject in BRIEF if subject != "bare") if net == "u3-b32" else ()
    else:
        usual = SUBJECTS if net in SMALL_NETS else BRIEF
    return tuple(subject for subject in SUBJECTS if subject in usual and subject in {*ALWAYS, *asked.subjects})


def peers_versions() -> str:
    """Of what is installed of them."""
    found = []
    for package in ("lightning", "keras", "jax", "fastai", "skorch", "timm"):
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join(found)


if __name__ == "__main__":
    main()
