"""Proof that the cells of an audit can be compared: same start, same pools, same budget.

*Reference:* definitions.md#fair-comparison.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Literal

from farsighted.config.audit import AuditConfig
from farsighted.core.errors import FarsightedError
from farsighted.data.cut import is_far_above, share_of
from farsighted.protocol.inputs import AuditInputs
from farsighted.store.records import CellRecord


class UnfairError(FarsightedError):
    """Cells that must be alike but for their selector are not; this is a defect, never a setting."""


def check_fair(metas: Iterable[CellRecord]) -> None:
    """Refuse cells that differ by more than their selector.

    `metas`: `cell.json` of finished cells. Cells of one seed and adaptation mode start from the same adapter; all see
    the same pools; those of one seed, order, budget and mode train, stage by stage, on response tokens that differ by
    less than one example (compute-matched references and diverged cells aside). Raises `UnfairError`.
    """
    done = sorted((meta for meta in metas if meta["status"] == "done"), key=_group)
    for _, cells in groupby(sorted(done, key=_start), key=_start):
        _same(list(cells), "adapter_hash", "the step-0 adapter")
    _same(done, "pool_hashes", "the pools")
    for _, cells in groupby((meta for meta in done if not meta["reference"]), key=_group):
        _same_budget(list(cells))


def overshoot_notes(config: AuditConfig, inputs: AuditInputs, metas: Iterable[CellRecord]) -> tuple[str, ...]:
    """Return a sentence for each stage and budget in tokens that a cell exceeded by far (`is_far_above`).

    Examples are trained on whole, so a stage ends up to one example above its target: with one long example under a
    small budget that is most of what was trained on. References, which may train on more, are left aside.
    """
    budgets = {str(budget): budget for budget in config.budgets if budget.unit == "tokens"}
    most: dict[tuple[str, str], int] = {}
    for meta in metas:
        if meta["status"] == "done" and not meta["reference"] and meta["budget"] in budgets:
            for stage in meta["per_stage"]:
                key = stage["stage"], meta["budget"]
                most[key] = max(most.get(key, 0), stage["trained_tokens"])
    notes = []
    for (name, text), trained in most.items():
        pool = inputs.stages[name].pool
        target = share_of(budgets[text], pool) * pool.response_tokens
        if is_far_above(trained, target, pool.response_tokens / len(pool)):
            notes.append(
                f"In '{name}' under a budget of {text}, which is {target:,.10g} response tokens, up to {trained:,} "
                "were trained on: examples are taken whole, and one of them is long."
            )
    return tuple(notes)


def _start(meta: CellRecord) -> tuple[int, str]:
    return meta["seed"], meta["adaptation"]


def _group(meta: CellRecord) -> tuple[int, str, str, str]:
    return meta["seed"], meta["order"], meta["budget"], meta["adaptation"]


def _same(cells: Sequence[CellRecord], field: Literal["adapter_hash", "pool_hashes"], what: str) -> None:
    for cell in cells[1:]:
        if cell[field] != cells[0][field]:
            raise UnfairError(
                f"All cells of a seed must share {what}, but {_name(cells[0])} and {_name(cell)} do not. Delete their "
                "folders and run the audit again; if that does not help, please report it."
            )


def _same_budget(cells: Sequence[CellRecord]) -> None:
    if not cells or cells[0]["budget"].endswith("examples"):
        return
    for stages in zip(*(cell["per_stage"] for cell in cells), strict=True):
        tokens = [stage["trained_tokens"] for stage in stages]
        # What is offered again may be an example that is longer than any of the stage's own.
        if max(tokens) - min(tokens) >= max(stage["longest_response"] for stage in stages):
            low, high = cells[tokens.index(min(tokens))], cells[tokens.index(max(tokens))]
            raise UnfairError(
                f"All selectors must train on the same response tokens to within one example, but in stage "
                f"'{stages[0]['stage']}' {_name(low)} trained {min(tokens)} and {_name(high)} {max(tokens)}. Please "
                "report this."
            )


def _name(cell: CellRecord) -> str:
    return f"'{cell['selector']}' (cell {cell['id']})"
