"""The smallest records that fit their types; a test changes what it is about."""


def plan_record(cells=(), **changes):
    """A plan of cells, given as records or by the keys that matter."""
    return {
        "schema": 1,
        "farsighted": "0.1.0",
        "title": "Fabricated audit",
        "config": config_record(),
        "command": "farsighted run audit.yaml",
        "environment": {"python": "3.11"},
        "notes": [],
        "fingerprints": {},
        "model_hash": "model",
        "cells": [planned_cell(**cell) for cell in cells],
        "failures": {},
        **changes,
    }


def config_record(**changes):
    """Every part of a configuration that reports look at."""
    return {
        "statistics": statistics_record(),
        "long_horizon": {"final_average": 1.0, "future_auc": 1.0, "forgetting": 1.0, "ood": 1.0},
        "u_long": {"alpha": 1.0, "beta": 1.0, "gamma": 1.0},
        "lora": {"r": 8},
        "peft": {},
        "signals": {"embedding": None},
        "quality": {"source": "rules"},
        **changes,
    }


def statistics_record(**changes):
    """How intervals and verdicts are made; few resamples, so that tests are fast."""
    return {
        "resamples": 200,
        "confidence": 0.95,
        "reference": ["random"],
        "correction": "holm",
        "smallest_effect": {"now": 0.5, "later": 0.005},
        **changes,
    }


PLANNED = {
    "id": "x",
    "selector": "random",
    "family": "random",
    "selector_parameters": {},
    "reference": False,
    "seed": 0,
    "order": "canonical",
    "stages": ["general"],
    "budget": "25%",
    "adaptation": "lora",
}


def planned_cell(**keys):
    """An entry of a plan; keys that only a finished cell has are left out."""
    return {**PLANNED, **{key: value for key, value in keys.items() if key in PLANNED}}


def cell_record(**changes):
    """A cell that is done; it has finished no stage."""
    return {
        "schema": 1,
        **PLANNED,
        "granularity": "batch",
        "evaluation": {},
        "pool_hashes": {},
        "selection_hash": "selection",
        "per_stage": [],
        "run": dict.fromkeys(("capability_entropy", "update_concentration", "mean_difficulty", "mean_quality")),
        "missing": {},
        "evaluation_seconds": 3.0,
        "probe_seconds": 2.0,
        "probe_tokens": 400,
        "uninterrupted": True,
        "status": "done",
        "reason": None,
        "example_ids": [],
        "adapter_hash": "adapter",
        "backward_cost": 1.0,
        **changes,
    }


def progress_record(**changes):
    """What a checkpoint at a stage boundary holds."""
    return {
        "per_stage": [],
        "evaluation_seconds": 0.0,
        "probe_seconds": 0.0,
        "probe_tokens": 0,
        "interruptions": 0,
        **changes,
    }
