import numpy as np
import pytest

from farsighted.config.load import load_config
from farsighted.core.errors import StorageError
from farsighted.phase_map.pools import quality_is_known, read_pools
from farsighted.protocol.inputs import load_inputs
from farsighted.protocol.notes import heuristics_note
from farsighted.protocol.shared import load_known
from farsighted.store.layout import Layout
from farsighted.store.reader import read_plan
from oracles.micro import nano_config, write_jsonl


def test_pools_are_those_that_the_cells_saw(micro):
    plan = read_plan(Layout(micro.out))
    config = load_config(plan["config"])
    known = load_known(config, load_inputs(config), Layout(micro.out))
    stages = tuple(plan["cells"][0]["stages"])
    pools = read_pools(micro.out, stages, plan)
    for name, pool in zip(stages, pools, strict=True):
        assert np.array_equal(pool.embedding_ND, known[name].rows["embedding"])
        assert np.array_equal(pool.cluster_N, known[name].rows["cluster"])
        assert np.array_equal(pool.quality_N, known[name].rows["quality"])
        assert pool.nll_N.shape == pool.quality_N.shape


def test_a_folder_without_shared_work_is_refused_with_the_way_out(tmp_path, micro):
    plan = read_plan(Layout(micro.out))
    with pytest.raises(StorageError, match="Run the audit first"):
        read_pools(tmp_path, ("general",), plan)


def test_what_rule_filters_say_is_not_taken_for_quality(tmp_path):
    config = nano_config(tmp_path)
    path = tmp_path / config["stages"][0]["train"]
    write_jsonl(path, [{"prompt": f"{number}?", "response": f"{number}!"} for number in range(8)])
    loaded = load_config(config)
    plan = {"config": loaded.model_dump(mode="json"), "notes": heuristics_note(loaded, load_inputs(loaded))}
    first, second = (stage["name"] for stage in config["stages"])
    assert not quality_is_known(first, plan)
    assert quality_is_known(second, plan)
    ifd = {"config": {"quality": {"source": "ifd"}}, "notes": ()}
    assert not quality_is_known(second, ifd)
