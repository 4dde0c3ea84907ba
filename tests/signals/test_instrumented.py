import numpy as np
import pytest
import torch

from farsighted.signals import logits
from farsighted.signals.forward import gather_positions, gather_response
from farsighted.signals.instrumented import FORWARD_SIGNALS, build_head_maps, forward_signals
from farsighted.signals.logits import Head, token_nll
from farsighted.signals.table import SIGNALS
from oracles.signal_autograd import make_batch, response_states, tiny_llama

MODEL = tiny_llama().requires_grad_(requires_grad=False)
HEAD = Head(MODEL.lm_head.weight)
SHAPES = [(3, 4), (1, 1), (2, 20)]


def gathered():
    ids, batch = make_batch(SHAPES)
    return gather_response(MODEL.model(ids).last_hidden_state, batch), batch


def signals(needs, head=HEAD):
    return forward_signals(gathered()[0], build_head_maps(head, np.random.default_rng(7), needs), needs)


def test_every_forward_signal_has_the_width_that_the_plan_states():
    found = signals(FORWARD_SIGNALS)
    assert found.keys() == FORWARD_SIGNALS
    sizes = {"N": 3, "D": 16}
    assert {name: array.shape for name, array in found.items()} == {
        name: tuple(sizes.get(size, size) for size in SIGNALS[name].shape) for name in FORWARD_SIGNALS
    }
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", sorted(FORWARD_SIGNALS))
def test_a_signal_asked_for_alone_equals_the_same_signal_among_all(name):
    np.testing.assert_array_equal(signals({name})[name], signals(FORWARD_SIGNALS)[name])


def test_hidden_is_the_mean_of_the_states_that_predict_the_response():
    wanted = [response_states(MODEL.model, tokens).mean(0).numpy() for tokens in gathered()[1]]
    np.testing.assert_allclose(signals({"hidden"})["hidden"], wanted, rtol=1e-6)


def test_signals_do_not_depend_on_the_examples_beside():
    ids, batch = make_batch(SHAPES)
    maps = build_head_maps(HEAD, np.random.default_rng(7), FORWARD_SIGNALS)
    alone = gather_response(MODEL.model(ids[:1, :7]).last_hidden_state, batch[:1])
    for name, array in forward_signals(alone, maps, FORWARD_SIGNALS).items():
        np.testing.assert_allclose(array[0], signals(FORWARD_SIGNALS)[name][0], rtol=1e-5, atol=1e-6)


def test_other_positions_may_be_chosen_for_the_logits():
    ids, batch = make_batch(SHAPES)
    hidden = MODEL.model(ids).last_hidden_state
    maps = build_head_maps(HEAD, np.random.default_rng(7), {"nuclear_norm"})
    positions = gather_positions(hidden, batch, "non_pad")
    found = forward_signals(gather_response(hidden, batch), maps, {"nuclear_norm"}, positions)["nuclear_norm"]
    own = [rows[: len(tokens.ids)] for rows, tokens in zip(hidden, batch, strict=True)]
    wanted = [float(torch.linalg.svdvals(rows @ HEAD.weight_VD.T).sum()) for rows in own]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_soft_capped_head_gets_every_signal():
    found = signals(FORWARD_SIGNALS, Head(HEAD.weight_VD, None, 2.0))
    assert all(np.isfinite(array).all() for array in found.values())


def test_proxy_sketch_builds_the_map_of_head_sketch():
    maps = build_head_maps(HEAD, np.random.default_rng(7), {"proxy_sketch"})
    np.testing.assert_array_equal(
        forward_signals(gathered()[0], maps, {"head_sketch"})["head_sketch"], signals({"head_sketch"})["head_sketch"]
    )


@pytest.mark.parametrize("name", ["nuclear_norm", "logit_sketch", "head_sketch"])
def test_maps_built_for_other_needs_are_refused(name):
    maps = build_head_maps(HEAD, np.random.default_rng(7), {"nll"})
    with pytest.raises(ValueError, match=name):
        forward_signals(gathered()[0], maps, {name})


@pytest.mark.parametrize("softcap", [None, 2.0])
def test_no_more_logits_than_a_chunk_are_alive_at_once(softcap, monkeypatch):
    sizes, right = [], Head.logits
    monkeypatch.setattr(logits, "CHUNK", 200)
    monkeypatch.setattr(Head, "logits", lambda *given: sizes.append(right(*given).numel()) or right(*given))
    head = Head(HEAD.weight_VD, None, softcap)
    signals(FORWARD_SIGNALS, head)
    ragged = gathered()[0]
    token_nll(ragged.hidden_RD, head, ragged.target_R)
    assert 0 < max(sizes) <= 200


def test_a_signal_of_another_pass_is_refused():
    with pytest.raises(ValueError, match="grad_norm"):
        signals({"nll", "grad_norm"})
