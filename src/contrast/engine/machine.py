"""What the machine decides: device, precision, memory format, compilation, threads. Resolved once a study."""

from __future__ import annotations

import os
import platform
import resource
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from contrast.engine.allocator import keep_freed_memory
from contrast.errors import InputError
from contrast.recipe import Recipe


@dataclass(frozen=True)
class Machine:
    """How runs are carried out on this machine; kept in `study.lock` and held for all runs of a study.

    Attributes:
        device: torch's name: cpu, cuda or mps.
        precision: fp32, or bf16 for autocast to bfloat16 (weights stay fp32).
        memory_format: contiguous or channels_last.
        compile: whether the model goes through `torch.compile`.
        threads: CPU threads of one run.
        deterministic: whether runs repeat bit for bit.
        instruction_set: what the CPU's kernels are chosen by; bits repeat for the same one only.
        device_name: the processor or the GPU, for people.
        torch_version: torch's.
    """

    device: str
    precision: str
    memory_format: str
    compile: bool
    threads: int
    deterministic: bool
    instruction_set: str
    device_name: str
    torch_version: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_lock(cls, kept: dict[str, Any]) -> Machine:
        """Take a study's plan up again.

        Raises:
            InputError: this machine can't keep it.
        """
        if kept.keys() != cls.__dataclass_fields__.keys():
            raise InputError("the study was planned by another version of contrast", where="study.lock", right=RELOCK)
        planned = cls(**kept)
        if planned.device not in available_devices():
            raise InputError(f"the study was planned on {planned.device}, which this machine does not have", where="study.lock", right=RELOCK)
        return planned

    def drifted(self) -> list[str]:
        """What of this machine differs from the plan without keeping it from being carried out."""
        here = {"instruction_set": instruction_set(), "torch_version": torch.__version__, "device_name": device_name(self.device)}
        return [f"{key} was {getattr(self, key)}, here it is {value}" for key, value in here.items() if value != getattr(self, key)]

    def for_recipe(self, recipe: Recipe) -> Machine:
        """The plan for one recipe: what the recipe fixes itself holds for it.

        Raises:
            InputError: the recipe asks for a device that is not there.
        """
        fixed = {key: getattr(recipe, key) for key in ("device", "precision", "memory_format", "compile") if getattr(recipe, key) != "auto"}
        if fixed.get("device", self.device) not in available_devices():
            raise InputError(f"this machine has no {fixed['device']}", where="device", right=f"one of: {', '.join(available_devices())}")
        return replace(self, **fixed, deterministic=recipe.deterministic or fixed.get("device", self.device) == "cpu")

    def prepare(self) -> None:
        """Set the process up: memory, threads, and deterministic kernels where asked."""
        if self.device == "cpu":
            keep_freed_memory()
        if not self.compile:
            spare_the_compiler()
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        if self.device == "cuda" and self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.backends.cudnn.benchmark = False
            torch.use_deterministic_algorithms(True)

    @property
    def format(self) -> torch.memory_format:
        return torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format

    def autocast(self) -> torch.autocast:
        """The context in which forward passes run."""
        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bf16")


RELOCK = "run it there, or add --relock to set the old runs aside and start anew"


def spare_the_compiler() -> None:
    """Keep optimizers from importing torch's compiler, which takes nearly as long as importing torch itself.

    torch marks some of their methods as not to be compiled and imports the compiler for that at their first call, even
    where nothing is compiled. The mark is set here beforehand. A torch that marks otherwise imports as before.
    """
    for method in ("zero_grad", "add_param_group", "state_dict", "load_state_dict"):
        plain = getattr(getattr(torch.optim.Optimizer, method), "__wrapped__", None)
        if plain is not None and not hasattr(plain, "__dynamo_disable"):
            setattr(plain, "__dynamo_disable", plain)


def available_devices() -> list[str]:
    """The devices of this machine, the preferred one first."""
    found = ["cuda"] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def device_name(device: str) -> str:
    """The GPU's or the processor's name."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    return platform.processor() or platform.machine()


def instruction_set() -> str:
    """What CPU kernels are chosen by, e.g. ``AVX512 bf16``."""
    return torch.backends.cpu.get_cpu_capability() + (" bf16" if has_fast_bf16() else "")


def has_fast_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def resolve(threads: int | None = None) -> Machine:
    """Decide for this machine.

    Args:
        threads: CPU threads of one run; None for all cores that this process may use.
    """
    device = available_devices()[0]
    gains = torch.cuda.is_bf16_supported(including_emulation=False) if device == "cuda" else device == "cpu" and has_fast_bf16()
    return Machine(
        device=device,
        precision="bf16" if gains else "fp32",
        memory_format="channels_last" if gains else "contiguous",
        compile=False,
        threads=threads or cores(),
        deterministic=device == "cpu",
        instruction_set=instruction_set(),
        device_name=device_name(device),
        torch_version=torch.__version__,
    )


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def forget_peak_memory() -> None:
    """Start the measurement of peak memory anew, where the system can (Linux, CUDA)."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # elsewhere the peak is the process's own, from its start
        return


def peak_memory() -> dict[str, int]:
    """The most memory that this process held, in bytes: main memory, and the GPU's where there is one."""
    peaks = {"peak_memory_bytes": _resident_peak()}
    if torch.cuda.is_available():
        peaks["peak_gpu_memory_bytes"] = torch.cuda.max_memory_allocated()
    return peaks


def _resident_peak() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
