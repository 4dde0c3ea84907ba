import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farsighted.core.values import Example, Gold, Pool, Tokens
from farsighted.store import token_table
from farsighted.store.token_table import TokenTable, extended

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
NUMBER = st.none() | st.floats(allow_nan=False)
GOLD = st.builds(Gold, TEXTS, TEXT, TEXTS, TEXTS, TEXTS, TEXT, TEXT)
EXAMPLE = st.builds(
    Example,
    TEXT,
    TEXT,
    TEXT,
    cluster=st.none() | TEXT,
    difficulty=NUMBER,
    quality=NUMBER,
    source=TEXT,
    choices=TEXTS,
    answer_index=st.none() | st.integers(0, 9),
    gold=GOLD | st.just(Gold()),
    turns=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    conversation=TEXT,
)
TOKENS = st.builds(Tokens, EXAMPLE, st.lists(st.integers(0, 2**31 - 1), max_size=6).map(tuple), st.integers(0, 5))


def numbered(count, start=0):
    return tuple(
        Tokens(Example(f"e{n}", f"p{n}", f"r{n}"), tuple(range(n + 2)), 1) for n in range(start, start + count)
    )


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(token_table, "ROWS", 3)


@given(texts=st.lists(TOKENS, max_size=6).map(tuple))
def test_every_text_comes_back_as_it_was_field_by_field(texts):
    table = TokenTable.of(texts)
    assert tuple(table) == texts
    assert tuple(table[row] for row in range(len(texts))) == texts


@given(texts=st.lists(TOKENS, min_size=1, max_size=6).map(tuple))
def test_columns_are_what_the_rows_say(texts):
    kept, plain = Pool("k", TokenTable.of(texts)), Pool("p", texts)
    assert kept.lengths.tolist() == plain.lengths.tolist() == [len(text.ids) for text in texts]
    assert kept.response_lengths.tolist() == plain.response_lengths.tolist()
    rows = range(len(texts))[::-1]
    assert kept.ids_of(rows) == plain.ids_of(rows) == [text.example.id for text in texts[::-1]]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("count", [0, 1, 3, 7])
def test_a_written_table_is_read_back_whatever_its_number_of_blocks(tmp_path, count):
    TokenTable.of(numbered(count)).write(tmp_path / "texts.arrow")
    opened = TokenTable.open(tmp_path / "texts.arrow")
    assert opened == numbered(count)
    assert (len(opened), opened.lengths.tolist()) == (count, [n + 2 for n in range(count)])


@pytest.mark.usefixtures("small_blocks")
def test_rows_are_asked_for_as_of_a_tuple():
    texts, table = numbered(7), TokenTable.of(numbered(7))
    assert (table[-1], table[np.int64(4)], table[1:6:2]) == (texts[-1], texts[4], texts[1:6:2])
    with pytest.raises(IndexError):
        table[7]


@pytest.mark.usefixtures("small_blocks")
def test_rows_of_a_pool_are_found_by_their_ids():
    assert Pool("p", TokenTable.of(numbered(7))).rows_of(["e6", "e0"]).tolist() == [6, 0]


@pytest.mark.usefixtures("small_blocks")
def test_a_table_goes_on_with_further_texts_and_stays_as_it_was():
    table = TokenTable.of(numbered(4))
    longer = extended(table, numbered(5, start=4))
    assert isinstance(longer, TokenTable)
    assert (longer, len(table)) == (numbered(9), 4)
    assert longer.prompt_lengths.tolist() == [1] * 9
    assert extended(numbered(4), numbered(5, start=4)) == numbered(9)


def test_tables_differ_where_a_row_does():
    texts = numbered(3)
    other = (*texts[:2], dataclasses.replace(texts[2], prompt_length=2))
    assert TokenTable.of(texts) == TokenTable.of(texts)
    assert TokenTable.of(texts) != other
    assert TokenTable.of(texts) != texts[:2]


def test_labels_are_none_where_an_example_says_nothing():
    texts = tuple(Tokens(Example(f"e{n}", "p", "r", difficulty=d), (1, 2), 1) for n, d in enumerate([0.5, None]))
    table = TokenTable.of(texts)
    assert (table.labels("difficulty"), table.labels("cluster")) == ([0.5, None], [None, None])


def test_opening_a_table_reads_none_of_its_texts(tmp_path):
    """What is mapped takes no memory of Arrow's own."""
    TokenTable.of(numbered(500)).write(tmp_path / "texts.arrow")
    before = pa.total_allocated_bytes()
    opened = TokenTable.open(tmp_path / "texts.arrow")
    assert (opened[3], pa.total_allocated_bytes() - before) == (numbered(500)[3], 0)
