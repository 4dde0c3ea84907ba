"""A model that does not change, and what it says of texts; what is kept is not computed again."""

from collections.abc import Sequence
from dataclasses import dataclass

from farsighted.candidates.embeddings import sentence_embeddings
from farsighted.candidates.kept_signals import SignalCache
from farsighted.candidates.timed import TimedSignals
from farsighted.core.values import Tokens
from farsighted.learners.base import Learner
from farsighted.models.sentence import SentenceEncoder


@dataclass(frozen=True, slots=True)
class SentenceModel:
    """What embeds texts in place of the model."""

    encoder: SentenceEncoder
    key: str
    """All that decides its embeddings, to the last bit."""


@dataclass(frozen=True, slots=True)
class FrozenModel:
    """A model in one state, with what is kept of it."""

    learner: Learner
    kept: SignalCache
    sentences: SentenceModel | None = None
    """None: the model embeds."""

    def signals(self, texts: Sequence[Tokens], names: frozenset[str]) -> TimedSignals:
        """Return signals of at least one text; where something else embeds, the seconds are of that alone."""
        if self.sentences is None or "embedding" not in names:
            return self._own(texts, names)
        embedded = sentence_embeddings(self.sentences.encoder, self.sentences.key, texts, self.kept.entries)
        own = self._own(texts, names - {"embedding"})
        return TimedSignals({**own.rows, "embedding": embedded.embedding_ND}, embedded.seconds)

    def _own(self, texts: Sequence[Tokens], names: frozenset[str]) -> TimedSignals:
        return self.kept.get(self.learner, texts, names) if names else TimedSignals({}, 0.0)
