import numpy as np
import pytest
import torch

from farsighted.core import fingerprint
from farsighted.core.errors import ConfigError, ModelError
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.peft_by_name import named_peft, peft_kinds
from oracles.signal_autograd import make_batch, tiny_llama

SETTINGS = LearnerSettings(OptimizerSettings(1e-2, "constant", warmup_share=0.0))
IDS, BATCH = make_batch([(3, 4), (1, 1), (5, 2), (2, 7)])
DORA = {"peft_type": "lora", "use_dora": True, "r": 3, "lora_alpha": 5}
KINDS = {"dora": DORA, "ia3": {}, "loha": {"r": 3}, "lokr": {"r": 3}, "ln_tuning": {}, "hra": {"r": 4}, "oft": {}}

every_kind = pytest.mark.parametrize("name", KINDS)


def learner(name, dtype=torch.float32, seed=0, settings=None):
    adaptation = named_peft(name, KINDS[name] if settings is None else settings, False)
    return CausalLM(tiny_llama(dtype=dtype), "hash", adaptation, SETTINGS, seed)


@every_kind
def test_an_adapter_by_name_starts_from_the_model_as_it_is_and_learns(name):
    found = learner(name)
    with torch.no_grad():
        torch.testing.assert_close(
            found.language_model(IDS).logits, tiny_llama(dtype=torch.float32)(IDS).logits, rtol=1e-4, atol=1e-5
        )
    before = found.likelihoods(BATCH).nll_sum.sum()
    found.begin_stage(20)
    for step in range(8):
        found.step(BATCH, np.random.default_rng(step))
    assert found.likelihoods(BATCH).nll_sum.sum() < before


@every_kind
def test_its_initial_values_come_from_the_seed_alone(name):
    first = fingerprint.of_arrays(learner(name).parameters())
    torch.rand(3)
    assert fingerprint.of_arrays(learner(name).parameters()) == first
    model, state = tiny_llama(dtype=torch.float32), torch.random.get_rng_state()
    named_peft(name, KINDS[name], False).apply(model, np.random.default_rng(0))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_another_seed_gives_another_start():
    one, other = (fingerprint.of_arrays(learner("dora", seed=seed).parameters()) for seed in (0, 1))
    assert one != other


@every_kind
def test_its_self_test_passes_and_the_base_stays_as_it_was(name):
    found = learner(name)
    found.self_test(BATCH)
    trained = set(found.parameters())
    frozen = {n: p.detach().clone() for n, p in found.language_model.named_parameters() if n not in trained}
    found.begin_stage(3)
    found.step(BATCH, np.random.default_rng(0))
    for name_, parameter in found.language_model.named_parameters():
        if name_ in frozen:
            assert torch.equal(parameter, frozen[name_])


def test_its_change_is_that_of_its_parameters():
    found = learner("dora")
    a = found.parameters()
    b, c = ({n: v + np.float32(k) for n, v in a.items()} for k in (1, 3))
    inner = found.change_inner(a, b, c)
    size = sum(values.size for values in a.values())
    assert inner.earlier_squared == pytest.approx(size, rel=1e-5)
    assert inner.earlier_later == pytest.approx(2 * size, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("adaption_prompt", {"adapter_len": 4, "adapter_layers": 1}, "does not support prompt learning"),
        ("vera", {}, "uses shared state"),
        ("shira", {"r": 32}, "more shira params than the total number .*Change `peft.shira`"),
        ("miss", {"r": 64}, "less than or equal to in_features.*Change `peft.miss`"),
        ("fourierft", {"n_frequency": 9}, "changes its logits by .* of their norm.*`peft.fourierft`"),
        ("dora", {**DORA, "rank": 3}, "unexpected keyword argument 'rank'"),
        ("dora", {**DORA, "target_modules": ["c_attn"]}, "c_attn.* not found"),
        ("dora", {**DORA, "init_lora_weights": False}, "changes its logits"),
    ],
)
def test_what_peft_or_the_protocol_cannot_do_is_refused_with_the_reason(name, settings, sentence):
    with pytest.raises(ModelError, match=sentence):
        learner(name, settings=settings)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("adalora", "it changes its ranks"),
        ("cpt", "it has a loss of its own; use prompt_tuning"),
        ("multitask_prompt_tuning", "it needs a task's number with every text"),
        ("cartridge", "it is distilled from a long text"),
    ],
)
def test_a_kind_that_does_not_fit_the_stages_is_refused(name, reason):
    with pytest.raises(ConfigError, match=f"`adaptations: {name}` is not supported: {reason}"):
        named_peft(name, {}, False)


def test_an_unknown_name_is_refused_with_the_known_ones():
    for name in ("lorra", "bone"):
        with pytest.raises(ConfigError, match=rf"or a type of PEFT, but has '{name}'.*ia3.*loha"):
            named_peft(name, {}, False)
    assert {"ia3", "loha", "oft"} <= set(peft_kinds())
    assert "adalora" not in peft_kinds()


def test_a_head_cannot_be_trained_beside_an_adapter_that_is_read_one_by_one():
    adaptation = named_peft("dora", DORA, True)
    with pytest.raises(ModelError, match=r"Set `training.train_head: false`"):
        CausalLM(tiny_llama(dtype=torch.float32), "hash", adaptation, SETTINGS, 0)


def test_half_precision_weights_keep_a_float32_adapter():
    found = learner("dora", dtype=torch.bfloat16)
    assert {p.dtype for p in found.language_model.parameters() if p.requires_grad} == {torch.float32}
    found.self_test(BATCH)
