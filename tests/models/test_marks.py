"""Marks: tokens where a template writes them, text where a text spells them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from farsighted.core.errors import DataError
from farsighted.models.marks import MarkReader

MARKS = ["<|a|>", "<|b|>", "<s>"]
TEXTS = [
    "the cat sat on the mat",
    "a < b and <s> is a tag",
    "<|a|> and <|b|>",
    "line\nbreak\n\n  and  spaces",
    "é ü 漢",
] * 4


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    return trained(tokenizer, trainer)


def metaspace():
    """As the tokenizers that write a mark for a space before the first word, and only there."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=False, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return trained(tokenizer, trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>"]))


def trained(tokenizer, trainer):
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in MARKS])
    return tokenizer


KINDS = {"bytes": byte_level, "metaspace": metaspace}


@pytest.fixture(params=KINDS)
def reader(request):
    return MarkReader(KINDS[request.param]())


def test_a_reader_knows_its_marks(reader):
    assert set(MARKS) <= reader.marks.keys()
    assert (reader.spelled("a <s> b <|a|>"), reader.spelled("a < s >")) == ("<s>", "")


def test_a_text_without_marks_is_read_as_ever(reader):
    text = "<|a|>the cat<|b|>\n"
    assert reader.read(text, [(5, 12)]).ids == reader.tokenizer.encode(text, add_special_tokens=False).ids


@settings(max_examples=60)
@given(words=st.lists(st.sampled_from(["the", " cat", "<s>", "<|b|>", "\n", "<|", "a|>", " "]), min_size=1, max_size=8))
@pytest.mark.parametrize("kind", KINDS)
def test_marks_in_a_text_are_text_and_the_templates_are_tokens(kind, words):
    reader = READERS[kind]
    inside = "".join(words)
    text = f"<|a|>{inside}<|b|>the"
    ids = reader.read(text, [(5, 5 + len(inside))]).ids
    marks = set(reader.marks.values())
    # The template's two are there, and no other.
    assert [token for token in ids if token in marks - {reader.marks.get("<unk>")}] == [
        reader.marks["<|a|>"],
        reader.marks["<|b|>"],
    ]
    # What stands around the text is read as it is around a harmless text of the same kind.
    assert ids[0] == reader.marks["<|a|>"]


READERS = {name: MarkReader(make()) for name, make in KINDS.items()}


def test_the_letters_of_a_mark_are_those_of_a_tokenizer_without_it():
    reader = READERS["bytes"]
    plain = byte_level()
    plain.encode_special_tokens = True
    inside = "is <s> or <|a|> a mark?"
    ids = reader.read(f"<|a|>{inside}<|b|>", [(5, 5 + len(inside))]).ids
    assert ids[1:-1] == plain.encode(inside, add_special_tokens=False).ids


def test_spans_move_with_the_marks_before_them():
    reader = READERS["bytes"]
    inside = "<s> here"
    found = reader.read(f"<|a|>\n{inside}<|b|>", [(6, 6 + len(inside))])
    (start, end), offsets = found.spans[0], found.offsets()
    covered = [token for token, (first, last) in zip(found.ids, offsets, strict=True) if start <= first and last <= end]
    assert reader.tokenizer.decode(covered, skip_special_tokens=False) == inside


def test_a_tokenizer_that_can_only_read_a_mark_as_a_token_is_refused():
    pieces = [("<unk>", 0.0), ("<s>", 0.0), *((letter, -2.0) for letter in "abcs<>▁ ")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    tokenizer.add_special_tokens([AddedToken("<s>", special=True, normalized=False)])
    with pytest.raises(DataError, match="spells the mark '<s>', which its tokenizer cannot read as text"):
        MarkReader(tokenizer).read("<s>a <s> b", [(3, 10)])


def test_a_tokenizer_that_heeds_what_comes_before_is_known():
    assert READERS["metaspace"].adds_prefix
    assert not READERS["bytes"].adds_prefix
