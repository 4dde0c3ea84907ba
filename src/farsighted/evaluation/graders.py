"""Generated texts against references, by the published rule of each benchmark; every grade lies in [0, 1]."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

_STRICT: Final = re.compile(r"#### (\-?[0-9\.\,]+)")
_FLEXIBLE: Final = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_IGNORED: Final = (re.compile(","), re.compile(r"\$"), re.compile(r"(?s).*#### "), re.compile(r"\.$"))
_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")


def gsm8k_strict(generated: str, reference: str) -> float:
    """Return 1.0 where the number after the first `####` is the reference's, as texts without `,`, `$` and a final `.`.

    *Reference:* Cobbe et al. 2021; the filter `strict-match` of lm-evaluation-harness.

    >>> gsm8k_strict("so #### 1,200.", "#### 1200"), gsm8k_strict("The answer is 1200", "#### 1200")
    (1.0, 0.0)
    """
    found = _STRICT.search(generated)
    return float(found is not None and _cleaned(found[1]) == _cleaned(reference))


def gsm8k_format_failure(generated: str) -> float:
    """Return 1.0 where a text holds no `#### number`: format drift is forgetting of another kind."""
    return float(_STRICT.search(generated) is None)


def gsm8k_flexible_text(generated: str, reference: str) -> float:
    """Return 1.0 where the last number of a text is written as the reference's is.

    *Reference:* the filter `flexible-extract` of lm-evaluation-harness.

    >>> gsm8k_flexible_text("It is $18.", "#### 18"), gsm8k_flexible_text("It is 18.0", "#### 18")
    (1.0, 0.0)
    """
    found = _last_number(generated)
    return float(found is not None and _cleaned(found) == _cleaned(reference))


def gsm8k_flexible(generated: str, reference: str) -> float:
    """Return 1.0 where the last number of a text is the reference's, as a number: 18.00 is 18.

    *Differs from lm-evaluation-harness:* its `flexible-extract` compares the same two numbers as texts, as
    `gsm8k_flexible_text` does.

    >>> gsm8k_flexible("It is 18.00", "#### 18"), gsm8k_flexible("none", "#### 18")
    (1.0, 0.0)
    """
    if gsm8k_flexible_text(generated, reference):
        return 1.0
    found = _last_number(generated)
    ours, theirs = _number(_cleaned(found or "")), _number(_cleaned(reference))
    return float(ours is not None and ours == theirs)


def exact_answer(generated: str, answers: Sequence[str]) -> float:
    """Return 1.0 where a text equals one of the answers but for case, punctuation, articles and white space.

    *Reference:* Rajpurkar et al. 2016 (SQuAD).

    >>> exact_answer("The  Eiffel tower!", ["Eiffel Tower"])
    1.0
    """
    return float(squad_normal(generated) in {squad_normal(answer) for answer in answers})


def token_f1(generated: str, answers: Sequence[str]) -> float:
    """Return the largest F1 over words between a text and the answers, normalised as in `exact_answer`.

    *Reference:* Rajpurkar et al. 2016 (SQuAD).

    >>> token_f1("in Paris, France", ["Paris"])
    0.5
    """
    return max((_f1(squad_normal(generated).split(), squad_normal(answer).split()) for answer in answers), default=0.0)


def squad_normal(text: str) -> str:
    """Return a text in lower case, without punctuation and English articles, words one space apart."""
    bare = "".join(sign for sign in text.lower() if sign not in string.punctuation)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Return the unbiased estimate of the chance that one of k programs passes: 1 − Π (1 − k/i), i = n−c+1 .. n.

    *Reference:* Chen et al. 2021 (Codex), Eq. 1.

    Args:
        samples: n, programs drawn for one task, at least k.
        passed: c, how many of them pass.
        k: at least 1.

    >>> pass_at_k(1, 1, 1), pass_at_k(4, 2, 1)
    (1.0, 0.5)
    """
    if not 1 <= k <= samples or not 0 <= passed <= samples:
        raise ValueError(f"k must lie in 1..{samples} and passed in 0..{samples}, but they are {k} and {passed}.")
    if samples - passed < k:
        return 1.0
    missed = 1.0
    for count in range(samples - passed + 1, samples + 1):
        missed *= 1 - k / count
    return 1 - missed


def cut(text: str, stops: Sequence[str]) -> str:
    """Return a text up to the first of the stops.

    >>> cut("18. Question: How", ["Question:", "</s>"])
    '18. '
    """
    places = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    return text[: min(places)] if places else text


def fenced_code(text: str) -> str:
    """Return the content of the first code fence, or the whole text without one."""
    found = re.search(r"```(?:[A-Za-z0-9_+-]*)\n(.*?)(?:```|\Z)", text, re.DOTALL)
    return found[1] if found else text


def _last_number(text: str) -> str | None:
    found = _FLEXIBLE.findall(text)
    return next(part for part in found[-1] if part).strip() if found else None


def _cleaned(text: str) -> str:
    for pattern in _IGNORED:
        text = pattern.sub("", text)
    return text.lower()


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _f1(words: Sequence[str], reference: Sequence[str]) -> float:
    if not words or not reference:
        return float(words == reference)
    common = sum((Counter(words) & Counter(reference)).values())
    return 2 * common / (len(words) + len(reference))
