import numpy as np
import pytest
import torch
from peft import PeftModelForCausalLM, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from farsighted.core import fingerprint
from farsighted.core.errors import ConfigError, ModelError
from farsighted.core.values import Example, Tokens
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.one_by_one import OneByOnePasses
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.passes import Passes, trunk_and_head
from farsighted.learners.virtual_tokens import VirtualTokens
from oracles.signal_autograd import VOCABULARY, example_gradients, make_batch, norm_of, randomize, tiny_llama

SETTINGS = LearnerSettings(OptimizerSettings(1e-2, "constant", warmup_share=0.0), end_ids=(1,))
IDS, BATCH = make_batch([(3, 4), (1, 1), (5, 2), (2, 7)])
PROMPTS = [[5, 6, 7], [9], [3, 4, 5, 6, 7, 8, 9], [30, 31, 32, 33, 34]]
COUNT = 4
KINDS = {
    "prompt_tuning": ("prompt_tuning", {}),
    "random": ("prompt_tuning", {"prompt_tuning_init": "RANDOM"}),
    "p_tuning": ("p_tuning", {"encoder_hidden_size": 6}),
    "lstm": ("p_tuning", {"encoder_hidden_size": 6, "encoder_reparameterization_type": "LSTM"}),
    "prefix_tuning": ("prefix_tuning", {"prefix_projection": True, "encoder_hidden_size": 6, "init_weights": None}),
    "p_tuning_v2": ("prefix_tuning", {"init_weights": None}),
}
CONFIGS = {"prompt_tuning": PromptTuningConfig, "p_tuning": PromptEncoderConfig, "prefix_tuning": PrefixTuningConfig}
SHAPE = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
}
GROUPED = {**SHAPE, "num_key_value_heads": 2}
ARCHITECTURES = {
    "llama": GROUPED,
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 40, "vocab_size": VOCABULARY},
    "opt": {**SHAPE, "ffn_dim": 24, "word_embed_proj_dim": 8},
    "gemma3_text": {**GROUPED, "head_dim": 8, "sliding_window": 30, "query_pre_attn_scalar": 8},
    "gpt_neox": SHAPE,
    "bloom": {"hidden_size": 16, "n_layer": 2, "n_head": 4, "vocab_size": VOCABULARY, "pad_token_id": 0},
    "mixtral": {**GROUPED, "num_local_experts": 3},
}

every_kind = pytest.mark.parametrize("name", KINDS)
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def adaptation(name, **settings):
    kind, own = KINDS[name]
    return VirtualTokens(name, kind, {"num_virtual_tokens": COUNT, **own, **settings})


def learner(name, seed=0, dtype=torch.float32, model=None, settings=SETTINGS):
    return CausalLM(model or tiny_llama(dtype=dtype), "hash", adaptation(name), settings, seed)


def built(architecture):
    # Attention in plain steps gives the same last bits with and without a mask.
    shape = {"attn_implementation": "eager", **ARCHITECTURES[architecture]}
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[architecture](**shape)).eval()
    randomize(model, 3)
    return model


def peft_of(name, model, values):
    """PEFT's own model around the same base, with the same values."""
    kind, own = KINDS[name]
    width = {} if kind == "prefix_tuning" else {"token_dim": model.get_input_embeddings().weight.shape[1]}
    config = CONFIGS[kind](task_type="CAUSAL_LM", num_virtual_tokens=COUNT, **width, **own)
    wrapped = PeftModelForCausalLM(model, config).eval()
    encoder = wrapped.prompt_encoder["default"]
    own_names = dict(encoder.named_parameters())
    with torch.no_grad():
        for name_, array in values.items():
            own_names[name_.split("virtual_tokens.")[1]].copy_(torch.from_numpy(array))
    return wrapped


pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")


@every_kind
def test_logits_and_losses_are_those_of_peft(name):
    found = learner(name)
    wrapped = peft_of(name, tiny_llama(dtype=torch.float32), found.parameters())
    mask = (IDS != 0).long()
    labels = torch.full_like(IDS, -100)
    for row, tokens in enumerate(BATCH):
        labels[row, tokens.prompt_length : len(tokens.ids)] = IDS[row, tokens.prompt_length : len(tokens.ids)]
    with torch.no_grad():
        theirs = wrapped(input_ids=IDS, attention_mask=mask)
        # Keys before a text have no logits; embeddings before it have.
        logits = theirs.logits[:, -IDS.shape[1] :]
        ours = found.language_model(input_ids=IDS, attention_mask=mask).logits
        torch.testing.assert_close(ours[mask.bool()], logits[mask.bool()], rtol=1e-4, atol=1e-5)
    for row, tokens in enumerate(BATCH):
        ids = IDS[row : row + 1, : len(tokens.ids)]
        with torch.no_grad():
            loss = wrapped(input_ids=ids, labels=labels[row : row + 1, : len(tokens.ids)]).loss
        likelihoods = found.likelihoods([tokens])
        assert likelihoods.nll_sum[0] / likelihoods.length[0] == pytest.approx(float(loss), rel=1e-4)


@every_architecture
@pytest.mark.parametrize("name", ["prompt_tuning", "p_tuning", "p_tuning_v2"])
def test_other_architectures_read_them_as_peft_has_them_read(name, architecture):
    found = learner(name, model=built(architecture))
    wrapped = peft_of(name, built(architecture), found.parameters())
    with torch.no_grad():
        theirs = wrapped(input_ids=IDS[:1]).logits[:, -IDS.shape[1] :]
        torch.testing.assert_close(found.language_model(IDS[:1]).logits, theirs, rtol=1e-4, atol=1e-5)


@every_kind
def test_losses_and_gradients_are_the_same_alone_and_in_a_batch(name):
    found = learner(name)
    together = found.likelihoods(BATCH).nll_sum
    alone = [found.likelihoods([tokens]).nll_sum[0] for tokens in BATCH]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    found.self_test(BATCH)


@every_kind
def test_gradients_of_each_example_are_those_of_autograd(name):
    found = learner(name)
    norms = found.signals(BATCH, frozenset({"grad_norm"}))["grad_norm"]
    for row, tokens in enumerate(BATCH):
        assert norms[row] == pytest.approx(norm_of(example_gradients(found.language_model, tokens)), rel=1e-4)


@pytest.mark.parametrize("name", ["prompt_tuning", "p_tuning", "prefix_tuning", "p_tuning_v2"])
def test_gradients_one_by_one_and_in_a_batch_are_the_same(name):
    lm = learner(name).language_model
    needs = frozenset({"grad_norm", "grad_sketch", "nll"})
    batched = Passes(*trunk_and_head(lm)).signals(BATCH, needs)
    looped = OneByOnePasses(*trunk_and_head(lm)).signals(BATCH, needs)
    for signal, values in batched.items():
        np.testing.assert_allclose(looped[signal], values, rtol=2e-3, atol=2e-5, err_msg=signal)


@every_kind
def test_a_step_is_that_of_autograd_and_the_base_stays_as_it_was(name):
    found = learner(name)
    lm, trained = found.language_model, set(found.parameters())
    frozen = {n: p.detach().clone() for n, p in lm.named_parameters() if n not in trained}
    total = sum(tokens.response_length for tokens in BATCH)
    weighted = [tokens.response_length / total for tokens in BATCH]
    wanted = [example_gradients(lm, tokens) for tokens in BATCH]
    norm = norm_of({n: sum(w * g[n] for w, g in zip(weighted, wanted, strict=True)) for n in wanted[0]})
    found.begin_stage(3)
    assert found.step(BATCH, np.random.default_rng(0)).grad_norm == pytest.approx(norm, rel=1e-3)
    for name_, parameter in lm.named_parameters():
        if name_ in frozen:
            assert torch.equal(parameter, frozen[name_])


@every_kind
def test_training_lowers_the_loss_and_values_come_back(name):
    found = learner(name)
    start = found.parameters()
    before = found.likelihoods(BATCH).nll_sum
    found.begin_stage(20)
    for step in range(8):
        found.step(BATCH, np.random.default_rng(step))
    assert found.likelihoods(BATCH).nll_sum.sum() < before.sum()
    other = learner(name, seed=5)
    other.load_parameters(start)
    assert other.likelihoods(BATCH).nll_sum.tobytes() == before.tobytes()


@every_kind
def test_what_is_written_is_the_likeliest_by_teacher_forcing_alone_and_in_a_batch(name):
    found = learner(name)
    together = found.generate(PROMPTS, 6, lambda row: False)
    assert together == [found.generate([prompt], 6, lambda row: False)[0] for prompt in PROMPTS]
    for prompt, written in zip(PROMPTS, together, strict=True):
        whole = (*prompt, *written)
        if written:
            assert found.likelihoods([Tokens(Example("e", "p", "r"), whole, len(prompt))]).hit_share[0] == 1


@every_architecture
@pytest.mark.parametrize("name", ["prompt_tuning", "p_tuning_v2"])
def test_other_architectures_write_the_same_alone_and_in_a_batch(name, architecture):
    found = learner(name, model=built(architecture))
    together = found.generate(PROMPTS, 5, lambda row: False)
    assert together == [found.generate([prompt], 5, lambda row: False)[0] for prompt in PROMPTS]


@every_kind
def test_hidden_states_are_those_of_the_text_alone(name):
    found = learner(name)
    trunk, _ = trunk_and_head(found.language_model)
    with torch.no_grad():
        output = trunk(IDS, output_hidden_states=True)
    assert output.last_hidden_state.shape[:2] == IDS.shape
    assert {states.shape[:2] for states in output.hidden_states} == {IDS.shape}
    rows = found.signals(BATCH, frozenset({"embedding", "hidden", "nuclear_norm"}))
    assert {len(values) for values in rows.values()} == {len(BATCH)}


@every_kind
def test_its_first_values_come_from_the_seed_alone(name):
    first = fingerprint.of_arrays(learner(name).parameters())
    torch.rand(3)
    assert fingerprint.of_arrays(learner(name).parameters()) == first
    model, state = tiny_llama(dtype=torch.float32), torch.random.get_rng_state()
    adaptation(name).apply(model, np.random.default_rng(0))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert fingerprint.of_arrays(learner(name, seed=1).parameters()) != first


def test_unless_stated_they_start_near_the_model():
    """Tokens of the vocabulary; keys and values of zero, which add nothing but take a share of attention."""
    lm = tiny_llama(dtype=torch.float32)
    found = CausalLM(lm, "hash", VirtualTokens("mine", "prompt_tuning", {}), SETTINGS, 0)
    (values,) = found.parameters().values()
    words = lm.get_input_embeddings().weight.detach().numpy()
    assert values.shape == (20, words.shape[1])
    assert all((words == value).all(axis=1).any() for value in values)
    prefix = CausalLM(tiny_llama(dtype=torch.float32), "hash", VirtualTokens("mine", "prefix_tuning", {}), SETTINGS, 0)
    (zeros,) = prefix.parameters().values()
    assert not zeros.any()


def test_a_step_can_be_put_together_from_the_scoring_pass():
    rows, steps = np.array([0, 2]), []
    for kept in (False, True):
        found = learner("p_tuning_v2")
        found.begin_stage(4)
        if kept:
            needs = frozenset({"grad_norm"})
            assert found.can_keep(BATCH, needs)
            found.step_kept(found.signals_kept(BATCH, needs).kept, rows)
        else:
            found.step([BATCH[row] for row in rows], np.random.default_rng(0))
        steps.append(found.parameters())
    for name, values in steps[0].items():
        np.testing.assert_allclose(steps[1][name], values, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["prompt_tuning", "p_tuning"])
def test_embeddings_before_a_text_are_trained_under_gradient_checkpointing(name):
    settings = LearnerSettings(OptimizerSettings(1e-2, "constant", warmup_share=0.0), gradient_checkpointing=True)
    plain, saving = learner(name), learner(name, settings=settings)
    for found in (plain, saving):
        found.begin_stage(2)
        found.step(BATCH, np.random.default_rng(0))
    for name_, values in plain.parameters().items():
        np.testing.assert_allclose(saving.parameters()[name_], values, rtol=1e-4, atol=1e-6)


@every_kind
def test_half_precision_weights_keep_virtual_tokens_in_float32(name):
    found = learner(name, dtype=torch.bfloat16)
    assert {p.dtype for p in found.language_model.parameters() if p.requires_grad} == {torch.float32}
    found.self_test(BATCH)
    found.begin_stage(2)
    assert np.isfinite(found.step(BATCH, np.random.default_rng(0)).loss)


def test_its_change_is_that_of_its_parameters():
    found = learner("p_tuning")
    a = found.parameters()
    b, c = ({n: v + np.float32(k) for n, v in a.items()} for k in (1, 3))
    inner = found.change_inner(a, b, c)
    assert inner.earlier_later == pytest.approx(2 * sum(values.size for values in a.values()), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"num_virtual_tokens": 0}, "`peft.mine.num_virtual_tokens` must be a whole number from 1, but is 0"),
        ({"num_virtual_tokens": "many"}, "must be a whole number from 1, but is 'many'"),
        ({"virtual": 3}, "PEFT cannot read the settings of 'mine'.*unexpected keyword argument 'virtual'"),
        ({"prompt_tuning_init": "TEXT"}, "prompt_tuning_init_text.*Change `peft.mine`"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_a_model_is_there(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        VirtualTokens("mine", "prompt_tuning", settings)


def test_a_model_without_keys_to_put_before_a_text_is_refused():
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "vocab_size": VOCABULARY, "state_size": 4}
    mamba = AutoModelForCausalLM.from_config(CONFIG_MAPPING["mamba"](**shape)).eval()
    with pytest.raises(ModelError, match=r"PEFT cannot put 'p_tuning_v2' on this model.*use lora or bottleneck"):
        learner("p_tuning_v2", model=mamba)
