"""What a row says that answers are graded against."""

from collections.abc import Mapping
from typing import Final

from farsighted.core.values import Gold

GOLD_FIELDS: Final = (
    *("answer", "answers", "rejected", "correct_answers", "incorrect_answers", "best_answer"),
    *("tests", "test_list", "test", "test_setup_code", "entry_point", "answer_index"),
)


def gold_of(known: Mapping[str, object]) -> Gold:
    """Return the accepted answers, the rejected response, true and false statements, and tests of a row.

    Fields: `answer` or `answers`, `rejected`, `correct_answers` and `incorrect_answers` (the best one is `best_answer`,
    or the right one of `choices`, or the first), `tests` (`test_list`, `test`), `test_setup_code` and `entry_point`. A
    field of another type than text (a number counts as text) says nothing here: a set whose score needs it says so.
    """
    answers = _texts(known.get("answers"))
    short = _texts(known.get("answer"))
    return Gold(
        answers=answers or short,
        rejected=_one(known.get("rejected")),
        true_answers=_best_first(_texts(known.get("correct_answers")), known),
        false_answers=_texts(known.get("incorrect_answers")),
        tests=_texts(known.get("tests", known.get("test_list", known.get("test")))),
        setup=_one(known.get("test_setup_code")),
        entry_point=_one(known.get("entry_point")),
    )


def _best_first(answers: tuple[str, ...], known: Mapping[str, object]) -> tuple[str, ...]:
    choices, index = known.get("choices"), known.get("answer_index")
    best = _one(known.get("best_answer"))
    if not best and isinstance(choices, list) and isinstance(index, int) and 0 <= index < len(choices):
        best = _one(choices[index])
    return tuple(sorted(answers, key=lambda answer: answer != best))


def _texts(found: object) -> tuple[str, ...]:
    listed = found if isinstance(found, list) else [found]
    texts = tuple(_one(part) for part in listed)
    return texts if all(texts) else ()


def _one(found: object) -> str:
    if isinstance(found, str):
        return found
    return str(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else ""
