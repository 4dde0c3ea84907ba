"""Runs parts of the benchmark and says on which machine."""

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from benchmarks.gradients import measure_gradients
from benchmarks.memory import measure_memory
from benchmarks.nuclear import measure_nuclear
from benchmarks.results import BenchSettings, Part
from benchmarks.sets import measure_sets
from benchmarks.signals import measure_signals
from benchmarks.steps import measure_steps
from benchmarks.timing import threads
from benchmarks.whole_audit import measure_audit
from farsighted.core.errors import ConfigError
from farsighted.core.machine import core_count

MEASURES: Final[dict[str, Callable[[BenchSettings], Part]]] = {
    "signals": measure_signals,
    "nuclear": measure_nuclear,
    "gradients": measure_gradients,
    "steps": measure_steps,
    "sets": measure_sets,
    "memory": measure_memory,
    "audit": measure_audit,
}


def device_of(asked: str) -> str:
    """Return the device meant: `auto` is CUDA where there is one.

    Raises:
        ConfigError: CUDA is asked for and not there.
    """
    available = torch.cuda.is_available()
    if asked == "auto":
        return "cuda" if available else "cpu"
    if asked == "cuda" and not available:
        raise ConfigError("`--device cuda`: torch finds no CUDA device here. Use `--device cpu`.")
    return asked


def run_parts(names: Sequence[str], settings: BenchSettings) -> Iterator[Part]:
    """Measure one part after the other; each is there as soon as it is done. Quick sizes meet no targets."""
    for name in names:
        with threads(settings.threads):
            part = MEASURES[name](settings)
        yield part if not settings.quick else replace(part, rows=[replace(row, at_most=None) for row in part.rows])


def machine(settings: BenchSettings) -> dict[str, str]:
    """Return what the figures depend on."""
    return {
        "processor": _processor(),
        "cores": str(core_count()),
        "threads": str(settings.threads),
        "device": torch.cuda.get_device_name() if settings.device == "cuda" else "CPU",
        "torch": torch.__version__,
        "Python": platform.python_version(),
    }


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
