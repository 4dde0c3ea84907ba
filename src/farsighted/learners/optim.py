"""AdamW with a schedule, and its state as plain arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from farsighted.core.schedule import ScheduleName, rate_share

Named = tuple[str, torch.nn.Parameter]


@dataclass(frozen=True, slots=True)
class OptimizerSettings:
    """One stage's optimizer; every stage starts it afresh."""

    learning_rate: float
    schedule: ScheduleName = "cosine"
    """Course of the learning rate after the warm-up."""
    warmup_share: float = 0.1
    weight_decay: float = 0.0
    grad_clip: float = 1.0


class StageOptimizer:
    """AdamW over named parameters with a learning-rate schedule over a known number of steps."""

    def __init__(self, named: Sequence[Named], settings: OptimizerSettings, steps: int) -> None:
        self._named = list(named)
        self._grad_clip = settings.grad_clip
        self._adamw = torch.optim.AdamW(
            [parameter for _, parameter in named],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        warmup = round(settings.warmup_share * steps)
        share = partial(_share, settings.schedule, max(steps, 1), warmup)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._adamw, share)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self._adamw.zero_grad(set_to_none=True)

    def clip(self) -> float:
        """Clip the gradients to the global norm allowed and return the norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_([parameter for _, parameter in self._named], self._grad_clip)
        return float(norm)

    def step(self) -> None:
        """Apply the gradients and advance the schedule."""
        self._adamw.step()
        self._schedule.step()
        self.zero_grad()

    def state(self) -> dict[str, np.ndarray]:
        """Return moments and step counts by parameter name, and the schedule's position."""
        arrays = {"schedule": np.array(self._schedule.last_epoch, dtype=np.int64)}
        for name, parameter in self._named:
            for key, value in self._adamw.state.get(parameter, {}).items():
                arrays[f"{key}|{name}"] = value.detach().float().cpu().numpy().copy()
        return arrays

    def load_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Put back what `state` returned."""
        for name, parameter in self._named:
            entry = {
                key: torch.from_numpy(arrays[f"{key}|{name}"].copy())
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"{key}|{name}" in arrays
            }
            if entry:
                moments = {key: value.to(parameter) for key, value in entry.items() if key != "step"}
                self._adamw.state[parameter] = {"step": entry["step"].to(parameter.device)} | moments
        position = int(arrays["schedule"])
        self._schedule.last_epoch = position
        rates = [
            base * rule(position) for base, rule in zip(self._schedule.base_lrs, self._schedule.lr_lambdas, strict=True)
        ]
        for group, rate in zip(self._adamw.param_groups, rates, strict=True):
            group["lr"] = rate


def _share(schedule: ScheduleName, steps: int, warmup: int, step: int) -> float:
    return rate_share(schedule, step, steps, warmup)
