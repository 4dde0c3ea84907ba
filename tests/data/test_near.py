import numpy as np
import pytest

from farsighted.data.near import THRESHOLD, near_twins, similarity

WORDS = [
    "harbour",
    "lantern",
    "copper",
    "violet",
    "engine",
    "meadow",
    "thunder",
    "marble",
    "pocket",
    "winter",
    "falcon",
    "ginger",
    "ribbon",
    "saddle",
]


def talk(question, answer, *before):
    return (*before, ("user", question), ("assistant", answer))


def sentence(rng, count=25):
    return " ".join(rng.choice(WORDS, count))


def by_hand(one, other):
    """Jaccard index of sets of five characters, from their definition."""
    sets = [{text[n : n + 5] for n in range(len(text) - 4)} for text in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_similarity_is_the_least_jaccard_index_of_the_turns():
    one, other = talk("abcdefgh", "abcdefghij"), talk("abcdefgx", "abcdefghij")
    assert similarity(one, other) == by_hand("abcdefgh", "abcdefgx") == 3 / 5
    assert similarity(one, one) == 1.0
    assert similarity(talk("Is  it so?", "YES"), talk("is it\nso?", "yes")) == 1.0
    assert similarity(talk("a", "b"), talk("a", "c")) == 0.0


def test_other_roles_or_more_turns_are_not_alike():
    system = ("system", "Be brief.")
    assert similarity(talk("q", "a"), talk("q", "a", system)) == 0.0
    assert similarity(talk("q", "a", system), talk("q", "a", ("user", "Be brief."))) == 0.0


def test_a_long_text_that_all_share_makes_no_twins():
    rng = np.random.default_rng(0)
    system = ("system", "Answer as a patient teacher would, in two sentences at most. " * 20)
    assert near_twins([talk(sentence(rng, 6), sentence(rng, 6), system) for _ in range(40)]) == {}


def test_one_question_with_many_answers_makes_no_twins():
    rng = np.random.default_rng(1)
    assert near_twins([talk("Tell me a story about the sea, please.", sentence(rng)) for _ in range(60)]) == {}
    answers = ["positive", "negative"]
    assert near_twins([talk(sentence(rng), answers[n % 2]) for n in range(60)]) == {}


def changed(rng, text, share):
    letters = list(text)
    for place in rng.choice(len(letters), max(1, int(share * len(letters))), replace=False):
        letters[place] = "#"
    return "".join(letters)


def test_what_is_dropped_is_what_all_pairs_say():
    """Against every pair compared by the definition, over texts that differ by more and more."""
    rng = np.random.default_rng(2)
    rows = []
    for _ in range(60):
        question, answer = sentence(rng), sentence(rng)
        rows += [talk(question, answer), talk(changed(rng, question, rng.choice([0.01, 0.05])), answer)]
        rows.append(talk(question, changed(rng, answer, rng.choice([0.01, 0.02, 0.1]))))
    kept, wanted = [], {}
    for row in range(len(rows)):
        pairs = [(similarity(rows[row], rows[other]), -other) for other in kept]
        best = max(pairs, default=(0.0, 0))
        if best[0] >= THRESHOLD:
            wanted[row] = (-best[1], best[0])
        else:
            kept.append(row)
    assert 20 < len(wanted) < 120
    assert near_twins(rows) == wanted
    assert near_twins(rows) == near_twins(rows)


def test_no_row_is_dropped_for_one_that_is_dropped_itself():
    rng = np.random.default_rng(3)
    base = sentence(rng, 40)
    rows = [talk(base, "yes")]
    for _ in range(30):
        rows.append(talk(changed(rng, rows[-1][0][1], 0.015), "yes"))
    found = near_twins(rows)
    assert found
    assert not {of for of, _ in found.values()} & found.keys()
    assert all(likeness == similarity(rows[row], rows[of]) >= THRESHOLD for row, (of, likeness) in found.items())
    # Small steps lead far away: the last one is no twin of the first.
    assert len(found) < 30


@pytest.mark.parametrize("rows", [[], [talk("q", "a")], [talk("", "a"), talk("q", "b")]])
def test_nothing_to_compare_is_nothing_to_drop(rows):
    assert near_twins(rows) == {}


def test_languages_without_spaces_and_short_texts_are_compared_too():
    chinese = "请用两句话解释为什么天空在晴朗的日子里看起来是蓝色的，并给出一个简单的例子。"
    assert near_twins([talk(chinese, "光"), talk(chinese + "！", "光")]) == {
        1: (0, by_hand(chinese.replace("，", ","), (chinese + "！").replace("，", ",").replace("！", "!")))
    }
    assert near_twins([talk("Hi", "Hi"), talk("Hi", "Ho")]) == {}
