"""The signals of an audit's pools, read from its folder alone: no model, no data files, no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from safetensors.numpy import load_file

from farsighted.core.errors import StorageError
from farsighted.phase_map.measure import PoolSignals
from farsighted.store.layout import MARKER, Layout
from farsighted.store.records import PlannedRecord
from farsighted.store.writer import read_table

_ARRAYS: Final = "arrays.safetensors"
_SCORES: Final = "scores.parquet"


class _Prepared(NamedTuple):
    """One folder of shared work."""

    folder: Path
    stage: str | None
    """The stage whose pool it holds; None for the clusters of all."""
    arrays: Mapping[str, np.ndarray]


def read_pools(root: Path, stages: Sequence[str], plan: PlannedRecord) -> tuple[PoolSignals, ...]:
    """Return the pools of an audit in the order of `stages`, from what its cells share.

    Where a folder holds the shared work of several versions of the audit, the newest counts.

    Args:
        root: The audit's folder.
        stages: Names of its stages, in the order asked about.
        plan: Its `config` and `notes`, as in audit.json.

    Raises:
        StorageError: The shared work of a stage, or the clusters, are not there.
    """
    found = _newest_last(root)
    by_stage = {one.stage: one.arrays for one in found if one.stage is not None}
    labels = [one.arrays for one in found if one.stage is None and set(stages) <= one.arrays.keys()]
    missing = [stage for stage in stages if stage not in by_stage]
    if missing or not labels:
        what = f"embeddings of stage '{missing[0]}'" if missing else "clusters"
        raise StorageError(
            f"'{Layout(root).shared}' must hold the shared work of the audit, but has no {what}. Run the audit first, "
            "or give its configuration in place of its folder."
        )
    pools = []
    for stage in stages:
        arrays, cluster_N = by_stage[stage], labels[-1][stage]
        if len(cluster_N) != len(arrays["embedding"]):
            raise StorageError(
                f"The clusters of stage '{stage}' in '{root}' must be as many as its embeddings "
                f"({len(arrays['embedding'])}), but are {len(cluster_N)}. Run the audit again: it finds them anew."
            )
        quality_N = arrays["quality"] if quality_is_known(stage, plan) else None
        pools.append(PoolSignals(arrays["embedding"], cluster_N, quality_N, arrays.get("nll")))
    return tuple(pools)


def quality_is_known(stage: str, plan: PlannedRecord) -> bool:
    """Return whether a stage's quality is a label or a judgement, and not the work of rule filters or of the NLL."""
    ruled = f"'{stage}': quality comes from rule filters"
    source = plan["config"]["quality"]["source"]
    # IFD is made from the NLL, so nothing can be learned from how the two go together.
    return source not in {"rules", "ifd"} and not any(note.startswith(ruled) for note in plan["notes"])


def _newest_last(root: Path) -> list[_Prepared]:
    shared = Layout(root).shared
    folders = [path.parent for path in shared.glob(f"*/{MARKER}") if (path.parent / _ARRAYS).is_file()]
    dated = sorted(folders, key=lambda folder: ((folder / MARKER).stat().st_mtime_ns, folder.name))
    return [_Prepared(folder, _stage_of(folder), load_file(folder / _ARRAYS)) for folder in dated]


def _stage_of(folder: Path) -> str | None:
    """The stage whose validation set was scored there."""
    scores = folder / _SCORES
    if not scores.is_file():
        return None
    table = read_table(scores.read_bytes())
    kinds, sets = table.column("kind").to_pylist(), table.column("set").to_pylist()
    return next((str(name) for kind, name in zip(kinds, sets, strict=True) if kind == "validation"), None)
