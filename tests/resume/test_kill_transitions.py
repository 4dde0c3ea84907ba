"""A process that is killed after adapters went from stage to stage is followed by one that ends in the same bytes."""

import dataclasses
import multiprocessing
import os
import shutil
import signal
import time

import pytest
import torch

from farsighted.protocol.tasks import run_cell_task, run_clusters_task, run_stage_task
from farsighted.store.layout import Layout
from oracles.micro import assert_same_cell, complete_entries, desk_of, micro_config

DEADLINE_SECONDS = 180
FORK = multiprocessing.get_context("fork")
"""A process that need not import everything again."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads of torch do not survive a fork, and their number decides last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The work that all cells share, which no transition touches."""
    desk = desk_of(config("continue"), tmp_path_factory.mktemp("prepared"))
    for name in desk.inputs.stages:
        run_stage_task(desk, name)
    run_clusters_task(desk)
    return desk.layout.shared


def config(transition):
    return micro_config(
        model={"path": "tiny", "device": "cpu"},  # a CUDA device does not survive a fork either
        suite={"name": "skills", "train": 24, "validation": 3, "ood": 2, "proxy": 2},
        selectors=["random"],
        references=[],
        checkpoint={"seconds": 0},
        training={"batch_size": 2, "learning_rate": 5.0e-3, "stage_transition": transition},
    )


@pytest.mark.parametrize("mode", ["prompt_tuning", "prefix_tuning", "bottleneck"])
def test_a_process_killed_with_an_adapter_beside_lora_is_gone_on_from_bit_for_bit(tmp_path, shared, mode):
    killed_and_whole(tmp_path, shared, {**config("continue"), "adaptations": [mode]})


@pytest.mark.parametrize("transition", ["continue", "merge_and_reinit", "stack"])
def test_a_process_killed_after_two_stages_is_gone_on_from_bit_for_bit(tmp_path, shared, transition):
    killed_and_whole(tmp_path, shared, config(transition))


def killed_and_whole(tmp_path, shared, config):
    """Kill a cell's process after two stages, go on, and compare with a run in one piece."""
    for name in ("whole", "killed"):
        shutil.copytree(shared, tmp_path / name / "shared")
    whole = desk_of(config, tmp_path / "whole")
    (cell_id,) = whole.cells
    layout = Layout(tmp_path / "killed")
    killed = dataclasses.replace(whole, layout=layout)

    process = started(killed, cell_id)
    wait_for_boundary(process, layout.checkpoints(cell_id), stages=2)
    os.kill(process.pid, signal.SIGKILL)
    process.join(DEADLINE_SECONDS)
    assert process.exitcode == -signal.SIGKILL
    assert not layout.finished(cell_id)

    process = started(killed, cell_id)
    run_cell_task(whole, cell_id)
    process.join(DEADLINE_SECONDS)
    assert process.exitcode == 0
    assert_same_cell(layout.cell(cell_id), whole.layout.cell(cell_id))


def started(desk, cell_id):
    process = FORK.Process(target=run_cell_task, args=(desk, cell_id), daemon=True)
    process.start()
    return process


def wait_for_boundary(process, checkpoints, stages):
    """Return when a cell has a checkpoint after so many stages or more."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while max((finished_stages(path) for path in complete_entries(checkpoints)), default=0) < stages:
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def finished_stages(marker):
    """Finished stages of a complete checkpoint, by its folder's name; 0 of one that is being written or deleted."""
    first = marker.parent.name.split("-")[0]
    return int(first) if first.isdigit() else 0
