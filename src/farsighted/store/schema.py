"""Columns of the tables that an audit writes."""

from typing import Final

import pyarrow as pa

from farsighted.core.measures import MEASURES

SCORES: Final[pa.Schema] = pa.schema(
    [
        ("kind", pa.string()),  # validation, ood, probe_neutral, probe_own
        ("after_stage", pa.int32()),  # 0 = base model
        ("set", pa.string()),
        ("probe_tokens", pa.float64()),  # response tokens trained in the probe so far
        ("point", pa.int32()),  # evaluation point of the probe; 0 = before its first step
        ("item", pa.string()),
        ("score", pa.float64()),  # normalised, 0..100, unbounded below
        ("nll", pa.float64()),
        *((name, pa.float64()) for name in MEASURES),  # null where a measure was not taken
        ("generated", pa.string()),  # what the model wrote, where it wrote anything
    ]
)

SELECTIONS: Final[pa.Schema] = pa.schema(
    [
        ("stage", pa.string()),
        ("stage_index", pa.int32()),  # 1-based
        ("round", pa.int32()),
        ("step", pa.int32()),  # optimizer steps of the stage before the ranking
        ("id", pa.string()),
        ("cluster", pa.int32()),
        ("rank", pa.int32()),  # 0 = best of its round
        ("score", pa.float64()),
        ("chosen", pa.bool_()),
        ("tokens", pa.int32()),  # response tokens
        ("trained_tokens", pa.int32()),  # the same where chosen, else 0
    ]
)
"""Followed by one float64 column `component_<name>` for each component of the selector's score and, where a cell
replays, by `origin` (int32): the stage, counted from 1, that an example was selected from before; null for the rest.
Where the selector gives importance weights, `weight` (float64) holds them as it gave them, before they are divided by
the mean of their optimizer step."""
