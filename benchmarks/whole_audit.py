"""A whole audit against the bare passes in it: what bookkeeping, selection and evaluation cost beside the model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.results import BenchSettings, Part, exact_row
from benchmarks.timing import seconds_of, threads
from farsighted import api
from farsighted.config.load import load_config
from farsighted.core.readings import Reading
from farsighted.launch.work import Task, TaskResult

FULL: Final = ("seeds=[0]",)
QUICK: Final = (
    "seeds=[0]",
    "selectors=[random,loss]",
    "references=[]",
    "suite.train=32",
    "suite.validation=10",
    "suite.ood=10",
    "suite.proxy=4",
    "probe.steps=1",
    "probe.points=1",
    "probe.items=8",
)


@dataclass(slots=True)
class Pass:
    """One forward pass of a trunk, and what followed it."""

    trunk: nn.Module
    rows: int
    length: int
    trained: tuple[nn.Parameter, ...]
    backward: bool = False
    steps: int = 0
    """Optimizer steps before the next pass."""

    def mark(self, _gradient: Tensor) -> None:
        """Remember that a backward pass came through."""
        self.backward = True


class Replaying:
    """An observer that records the passes of every task and replays them when it has ended."""

    def __init__(self, generator: torch.Generator) -> None:
        self.passes: list[int] = []
        """Of each task."""
        self.seconds: list[float] = []
        """That the bare passes of each task take."""
        self._generator = generator
        self._recording = ExitStack()
        self._found: list[Pass] = []

    def started(self, task: Task) -> None:
        """Record."""
        self._found = self._recording.enter_context(recorded())

    def progressed(self, task: Task, share: float) -> None:
        """Do nothing."""

    def numbers(self, task: Task, readings: Sequence[Reading]) -> None:
        """Do nothing."""

    def noted(self, sentence: str) -> None:
        """Do nothing."""

    def ended(self, outcome: TaskResult) -> None:
        """Replay."""
        self._recording.close()
        self.passes.append(len(self._found))
        self.seconds.append(replay(self._found, self._generator))


def measure_audit(settings: BenchSettings) -> Part:
    """Run the preset `demo` for one seed with one worker; then once more in this process, to record and replay passes.

    The same shapes are passed again through the same trunks, with nothing else: a forward pass without the head, a
    backward pass where there was one, clipping and AdamW where there was a step.
    """
    overrides = (*(QUICK if settings.quick else FULL), f"model.device={settings.device}")
    with TemporaryDirectory() as folder, threads(1):
        whole = seconds_of(lambda: api.audit("demo", Path(folder) / "whole", overrides))
        again = Replaying(torch.Generator().manual_seed(settings.seed))
        prepared = api.prepare(load_config("demo", overrides))
        api.run_here(prepared, prepared.cells, Path(folder) / "recorded", lambda: False, again)
    passes, bare = sum(again.passes), sum(again.seconds)
    setting = (
        f"The preset `demo` with {' '.join(overrides)}, one worker of one thread, from reading the configuration to "
        f"the report. It takes {passes:,} passes of the model, those of the evaluation among them; they are replayed "
        "without the head."
    )
    rows = [
        exact_row("whole audit ÷ its bare passes", whole / bare, at_most=1.5),
        exact_row("whole audit", whole, unit="s"),
        exact_row("bare passes", bare, unit="s"),
    ]
    return Part("audit", setting, rows, {"whole": [whole], "bare": again.seconds})


@contextmanager
def recorded() -> Iterator[list[Pass]]:
    """Record every forward pass of a trunk in order, whether a backward pass followed, and optimizer steps."""
    passes: list[Pass] = []

    def seen(module: nn.Module, _args: Any, output: Any) -> None:
        state_BLD = getattr(output, "last_hidden_state", None)
        if state_BLD is None:
            return
        trained = tuple(parameter for parameter in module.parameters() if parameter.requires_grad)
        one = Pass(module, state_BLD.shape[0], state_BLD.shape[1], trained)
        passes.append(one)
        if state_BLD.requires_grad:
            state_BLD.register_hook(one.mark)

    def stepped(*_: Any) -> None:
        if passes:
            passes[-1].steps += 1

    handles = [register_module_forward_hook(seen), register_optimizer_step_post_hook(stepped)]
    try:
        yield passes
    finally:
        for handle in handles:
            handle.remove()


def replay(passes: list[Pass], generator: torch.Generator) -> float:
    """Pass random ids of the same shapes through the same trunks; returns seconds."""
    embedding = {id(one.trunk): one.trunk.get_input_embeddings().num_embeddings for one in passes}  # type: ignore[operator]
    optimizers: dict[int, torch.optim.Optimizer] = {}
    taken = 0.0
    for one in passes:
        device = next(one.trunk.parameters()).device
        ids_BL = torch.randint(embedding[id(one.trunk)], (one.rows, one.length), generator=generator).to(device)
        if one.steps and id(one.trunk) not in optimizers:
            optimizers[id(one.trunk)] = torch.optim.AdamW(one.trained, lr=0.0)
        taken += seconds_of(_bare(one, ids_BL, optimizers.get(id(one.trunk))), device.type)
    return taken


def _bare(one: Pass, ids_BL: Tensor, optimizer: torch.optim.Optimizer | None) -> Callable[[], None]:
    def run() -> None:
        if not one.backward:
            with torch.no_grad():
                one.trunk(ids_BL)
            return
        total = one.trunk(ids_BL).last_hidden_state.sum()
        gradients = torch.autograd.grad(total, one.trained, allow_unused=True)
        for _ in range(one.steps):
            for parameter, gradient in zip(one.trained, gradients, strict=True):
                parameter.grad = gradient
            nn.utils.clip_grad_norm_(one.trained, 1.0)
            if optimizer is not None:
                optimizer.step()

    return run
