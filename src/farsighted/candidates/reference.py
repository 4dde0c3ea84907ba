"""A language model of its own folder that scores a pool once and never changes."""

from collections.abc import Sequence

from farsighted.candidates.pool_work import PoolWork, reference_pass
from farsighted.config.audit import AuditConfig
from farsighted.core.errors import DataError, ModelError
from farsighted.core.values import Tokens
from farsighted.data.templates import OnLong, encode
from farsighted.learners.base import HasNeighbours, Learner
from farsighted.models.folder import HashedModel, context_of
from farsighted.models.limits import check_tokens, ids_of
from farsighted.models.tokenizer import tokenizer_for


def score_by_reference(
    learner: Learner, reference: HashedModel, config: AuditConfig, pool: Sequence[Tokens], readings: frozenset[str]
) -> PoolWork:
    """Load the reference model beside the learner, score a pool by it, and let it go.

    It reads the examples through its own tokenizer, template and context: means over response tokens of two models are
    of the same texts, and of other tokens where their tokenizers differ.

    Raises:
        DataError: An example does not fit into the model's context; `data.on_long: truncate_prompt` cuts prompts.
        ModelError: The model cannot be loaded, or the learner is of a kind that has no others.
    """
    if not isinstance(learner, HasNeighbours):
        raise ModelError(
            f"`signals.reference` must stand beside a language model, but this audit learns with a "
            f"{type(learner).__name__}. Write null: the start model."
        )
    texts = _read_by(reference, config, pool)
    return reference_pass(learner.neighbour(reference.folder, reference.content), texts, readings)


def _read_by(reference: HashedModel, config: AuditConfig, pool: Sequence[Tokens]) -> list[Tokens]:
    tokenizer = tokenizer_for(reference.folder, config.data.template)
    context = context_of(reference.folder)
    on_long: OnLong = "truncate_prompt" if config.data.on_long == "truncate_prompt" else "error"
    texts = []
    for tokens in pool:
        found = encode(tokens.example, tokenizer, context, on_long)
        if found is None:
            raise DataError(
                f"The response of '{tokens.example.id}' must fit into the {context} tokens that the reference model "
                f"'{reference.folder}' reads, but does not. Choose another `signals.reference`, or leave the example "
                "out."
            )
        texts.append(found)
    check_tokens(reference.folder, tokenizer, [(f"the pool, as '{reference.folder}' reads it,", ids_of(texts))])
    return texts
