"""From a cell and a position to what a stage is run on: rounds, targets, what is known of the pool.

*Reference:* definitions.md#cluster_count-vocabulary_size.
"""

from collections.abc import Mapping

import numpy as np

from farsighted.config.audit import AuditConfig
from farsighted.data.cut import budget_sizes, share_of
from farsighted.learners.base import Learner
from farsighted.protocol.inputs import AuditInputs
from farsighted.protocol.plan import Cell
from farsighted.protocol.shared import Known, cluster_count
from farsighted.selectors import demands_of
from farsighted.training.budget import RoundSettings, compute_matched_share, plan_stage, scaled
from farsighted.training.stage import StageInput, arrival_order


def stage_input(
    cell: Cell, index: int, learner: Learner, config: AuditConfig, inputs: AuditInputs, known: Mapping[str, Known]
) -> StageInput:
    """Return what the `index`-th stage (1-based) of a cell is run on.

    All selectors of a seed, order and budget get the same rounds; one that demands matched compute gets larger targets.

    *Reference:* definitions.md#tokens-size-origin.
    """
    demands = demands_of(cell.selector)
    stage = inputs.stages[cell.stages[index - 1]]
    unit = cell.budget.unit
    share = share_of(cell.budget, stage.pool)
    training = config.training
    settings = RoundSettings(training.granularity, training.rounds, training.batch_size)
    order = arrival_order(cell.seed, index, len(stage.pool))
    sizes_N = budget_sizes(stage.pool, unit)
    rounds = plan_stage(sizes_N[order], share, settings)
    if demands.matched_compute:
        rounds = scaled(rounds, compute_matched_share(share, learner.backward_cost) / share)
    return StageInput(
        index=index,
        seed=cell.seed,
        pool=stage.pool,
        known={**known[stage.name].rows, "size": sizes_N, "origin": np.zeros(len(stage.pool), dtype=np.int32)},
        rounds=rounds,
        unit=unit,
        proxy=inputs.proxy,
        proxy_refresh=config.signals.proxy_refresh,
        cluster_count=cluster_count(known),
        vocabulary_size=learner.vocabulary_size,
        replay_share=demands.replay_share,
    )
