import numpy as np
import pytest
import torch
from transformers import GPT2Config

from farsighted.core.errors import DivergedError
from farsighted.learners.adapters import Full, Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.single_pass import has_dropout
from oracles.signal_autograd import make_batch, tiny_llama

RNG = np.random.default_rng
BATCH = make_batch([(3, 4), (1, 1), (5, 2), (2, 7), (4, 4), (6, 1), (1, 1), (2, 9)])[1]
NEEDS = frozenset({"grad_norm"})
ADAPTATIONS = {
    "lora": Lora(4, 8.0),
    "rank 1": Lora(1, 1.0),
    "rank above hidden": Lora(64, 16.0),
    "two targets": Lora(8, 2.0, targets=("q_proj", "down_proj")),
    "full": Full(),
    "tied": Full(train_head=True),
}
every_adaptation = pytest.mark.parametrize("adaptation", ADAPTATIONS.values(), ids=ADAPTATIONS.keys())
every_choice = pytest.mark.parametrize("rows", [[0], [7, 3], [5, 1, 6], [2, 0, 4, 1, 3, 7, 6, 5]], ids=str)


def learner(adaptation, dtype=torch.float32, kept_bytes=2**30, batch_tokens=16384):
    """A learner whose adapter has left zero, at the start of a stage."""
    settings = LearnerSettings(OptimizerSettings(5e-3, "constant", 0.0), 8192, batch_tokens, kept_bytes)
    tied = isinstance(adaptation, Full) and adaptation.train_head
    found = CausalLM(tiny_llama(dtype=dtype, tie_word_embeddings=tied), "hash", adaptation, settings, 0)
    found.begin_stage(10)
    found.step(BATCH[:3], RNG(0))
    return found


def both_ways(adaptation, rows, dtype=torch.float32, weight=None, **options):
    """The record and the parameters of the same step, from one pass and from two."""
    one, two = learner(adaptation, dtype, **options), learner(adaptation, dtype, **options)
    kept = one.signals_kept(BATCH, NEEDS).kept
    records = one.step_kept(kept, np.array(rows), weight), two.step([BATCH[row] for row in rows], RNG(1), weight)
    return records, (one, two)


@every_adaptation
@every_choice
def test_a_step_from_the_scoring_pass_is_the_step_of_a_second_pass(adaptation, rows):
    (one, two), learners = both_ways(adaptation, rows)
    assert one.loss == pytest.approx(two.loss, rel=1e-5)
    assert one.grad_norm == pytest.approx(two.grad_norm, rel=1e-4)
    np.testing.assert_allclose(one.sketch, two.sketch, rtol=1e-3, atol=1e-4 * np.abs(two.sketch).max())
    moments = [found.optimizer_state() for found in learners]
    for name in (name for name in moments[0] if name.startswith("exp_avg|")):
        wanted = moments[1][name]
        np.testing.assert_allclose(moments[0][name], wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max(), err_msg=name)


@every_adaptation
@pytest.mark.parametrize("batch_tokens", [16384, 16])
def test_a_weighted_step_from_the_scoring_pass_is_the_weighted_step_of_a_second_pass(adaptation, batch_tokens):
    weight = np.array([0.2, 1.8, 1.0, 1.0])
    (one, two), learners = both_ways(adaptation, [5, 1, 6, 3], weight=weight, batch_tokens=batch_tokens)
    (plain, _), _ = both_ways(adaptation, [5, 1, 6, 3], batch_tokens=batch_tokens)
    assert one.loss == pytest.approx(two.loss, rel=1e-5)
    assert one.grad_norm == pytest.approx(two.grad_norm, rel=1e-4)
    assert one.grad_norm != pytest.approx(plain.grad_norm, rel=1e-3)
    np.testing.assert_allclose(one.sketch, plain.sketch, rtol=1e-3, atol=1e-4 * np.abs(plain.sketch).max())
    moments = [found.optimizer_state() for found in learners]
    for name in (name for name in moments[0] if name.startswith("exp_avg|")):
        wanted = moments[1][name]
        np.testing.assert_allclose(moments[0][name], wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max(), err_msg=name)


@every_adaptation
def test_in_double_precision_the_two_ways_agree_to_its_own_rounding(adaptation):
    (one, two), _ = both_ways(adaptation, [4, 0, 6], torch.float64)
    # The norms inside of the model round to float32.
    assert one.grad_norm == pytest.approx(two.grad_norm, rel=1e-6)


@every_adaptation
def test_in_half_precision_the_two_ways_agree_to_its_rounding(adaptation):
    (one, two), _ = both_ways(adaptation, [4, 0, 6], torch.bfloat16)
    assert one.grad_norm == pytest.approx(two.grad_norm, rel=5e-2)


@pytest.mark.parametrize("batch_tokens", [1, 16, 30])
def test_several_passes_over_the_candidates_add_up(batch_tokens):
    (one, two), _ = both_ways(Lora(4, 8.0), [7, 1, 2], batch_tokens=batch_tokens)
    assert one.grad_norm == pytest.approx(two.grad_norm, rel=1e-4)
    np.testing.assert_allclose(one.sketch, two.sketch, rtol=1e-3, atol=1e-4 * np.abs(two.sketch).max())


@every_adaptation
def test_keeping_changes_no_signal(adaptation):
    needs = frozenset({"grad_norm", "grad_sketch", "nll", "embedding", "nuclear_norm:non_pad"})
    found = learner(adaptation)
    plain, kept = found.signals(BATCH, needs), found.signals_kept(BATCH, needs).rows
    assert plain.keys() == kept.keys()
    for name in plain:
        np.testing.assert_allclose(kept[name], plain[name], rtol=1e-5, atol=1e-6 * np.abs(plain[name]).max())


@pytest.mark.parametrize(
    ("adaptation", "needs", "kept_bytes", "allowed"),
    [
        (Lora(4), {"grad_norm"}, 2**30, True),
        (Lora(4), {"grad_sketch", "nll"}, 2**30, True),
        (Full(), {"grad_norm"}, 2**30, True),
        (Lora(4), {"nll"}, 2**30, False),
        (Lora(4), {"grad_norm"}, 1000, False),
        (Lora(4), {"grad_norm"}, 0, False),
        (Lora(4, dropout=0.1), {"grad_norm"}, 2**30, False),
        (Lora(4, train_head=True), {"grad_norm"}, 2**30, False),
    ],
)
def test_a_pass_is_kept_where_that_spares_another_and_fits(adaptation, needs, kept_bytes, allowed):
    assert learner(adaptation, kept_bytes=kept_bytes).can_keep(BATCH, frozenset(needs)) == allowed


def test_what_is_kept_takes_no_more_memory_than_was_foretold():
    found = learner(Full())
    kept = found.signals_kept(BATCH, NEEDS).kept
    assert 0 < sum(part.gradients.nbytes for part in kept.passes) <= found._passes.kept_bytes(BATCH)


def test_dropout_is_seen_in_layers_and_in_the_configuration():
    assert not has_dropout(tiny_llama())
    lm = tiny_llama()
    lm.config.attention_dropout = 0.1
    assert has_dropout(lm)
    lm = tiny_llama()
    lm.model.layers[0].mlp.act_fn = torch.nn.Dropout(0.5)
    assert has_dropout(lm)
    lm = tiny_llama()
    lm.config = GPT2Config(resid_pdrop=0.1, embd_pdrop=0.0, attn_pdrop=0.0)
    assert has_dropout(lm)


def test_a_loss_that_is_not_finite_names_the_example_before_anything_changes():
    found = learner(Lora(4))
    kept = found.signals_kept(BATCH, NEEDS).kept
    kept.passes[0].nll_B[list(kept.rows[0]).index(5)] = np.nan
    before = {name: array.copy() for name, array in found.parameters().items()}
    with pytest.raises(DivergedError, match="The training loss is not finite") as raised:
        found.step_kept(kept, np.array([1, 5]))
    assert raised.value.example_ids == (BATCH[5].example.id,)
    assert all(np.array_equal(before[name], array) for name, array in found.parameters().items())
    assert np.isfinite(found.step_kept(kept, np.array([1, 2])).loss)
