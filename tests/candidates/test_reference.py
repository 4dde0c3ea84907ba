import numpy as np
import pytest

from farsighted.candidates.reference import score_by_reference
from farsighted.config.load import load_config
from farsighted.core.errors import DataError, ModelError
from farsighted.data.templates import encode_pool
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.models.folder import hashed_model
from farsighted.models.loading import load_model
from farsighted.models.tokenizer import load_tokenizer
from farsighted.testing.fake_learner import FakeLearner
from oracles.signal_autograd import mean_nll, tiny_llama
from oracles.tiny_folder import read_texts, save_tiny

NLL = frozenset({"nll"})
PAIRS = [("2 + 2 =", "4"), ("Say a word.", "word"), ("a", "b c d")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("reference"), seed=7, max_position_embeddings=40)


@pytest.fixture(scope="module")
def learner():
    return CausalLM(tiny_llama(0, vocab_size=259), "hash", Lora(4, 8.0), LearnerSettings(OptimizerSettings(1e-3)), 0)


def config(**data):
    return load_config({"suite": {"name": "skills"}, "data": data})


def test_a_pool_is_scored_by_the_model_in_the_folder_and_the_learner_stays_as_it_is(folder, learner):
    pool, before = read_texts(folder, *PAIRS), learner.signals(read_texts(folder, *PAIRS), NLL)["nll"]
    work = score_by_reference(learner, hashed_model(str(folder)), config(), pool, NLL)
    lm = load_model(folder, "float64")
    wanted = [mean_nll(lm, tokens).item() for tokens in pool]
    np.testing.assert_allclose(work.rows["nll"], wanted, rtol=1e-6)
    assert work.scored_tokens == sum(tokens.response_length for tokens in pool)
    assert learner.signals(pool, NLL)["nll"].tolist() == before.tolist()


def test_a_long_prompt_is_cut_where_the_audit_cuts_prompts_and_refused_elsewhere(folder, learner):
    long = [tokens.example for tokens in read_texts(folder, ("x" * 50, "yes"))]
    pool = encode_pool(long, load_tokenizer(folder), 100).tokens
    work = score_by_reference(learner, hashed_model(str(folder)), config(on_long="truncate_prompt"), pool, NLL)
    assert np.isfinite(work.rows["nll"]).all()
    with pytest.raises(DataError, match="must fit into 40 tokens"):
        score_by_reference(learner, hashed_model(str(folder)), config(), pool, NLL)


def test_a_response_that_cannot_be_read_whole_is_refused(folder, learner):
    long = [tokens.example for tokens in read_texts(folder, ("x", "y" * 50))]
    pool = encode_pool(long, load_tokenizer(folder), 100).tokens
    with pytest.raises(DataError, match="The response of 'e0' must fit into the 40 tokens"):
        score_by_reference(learner, hashed_model(str(folder)), config(on_long="truncate_prompt"), pool, NLL)


def test_a_learner_that_is_no_language_model_has_no_neighbour(folder):
    with pytest.raises(ModelError, match=r"must stand beside a language model.*FakeLearner"):
        score_by_reference(FakeLearner(), hashed_model(str(folder)), config(), read_texts(folder, *PAIRS), NLL)
