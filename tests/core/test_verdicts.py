from farsighted.core.verdicts import MEANINGS, VERDICTS


def test_every_word_has_one_meaning_of_its_own():
    assert tuple(MEANINGS) == VERDICTS
    assert len(set(MEANINGS.values())) == len(VERDICTS) == 7
