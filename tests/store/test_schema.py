import pyarrow as pa

from farsighted.core.measures import MEASURES
from farsighted.store.schema import SCORES, SELECTIONS


def test_the_columns_of_scores_are_those_that_readers_were_promised():
    text, whole, real = pa.string(), pa.int32(), pa.float64()
    assert dict(zip(SCORES.names, SCORES.types, strict=True)) == {
        "kind": text,
        "after_stage": whole,
        "set": text,
        "probe_tokens": real,
        "point": whole,
        "item": text,
        "score": real,
        "nll": real,
        "token_accuracy": real,
        "exact_match": real,
        "generated": text,
        **dict.fromkeys(MEASURES, real),
    }


def test_the_columns_of_selections_are_those_that_readers_were_promised():
    text, whole, real = pa.string(), pa.int32(), pa.float64()
    assert dict(zip(SELECTIONS.names, SELECTIONS.types, strict=True)) == {
        "stage": text,
        "stage_index": whole,
        "round": whole,
        "step": whole,
        "id": text,
        "cluster": whole,
        "rank": whole,
        "score": real,
        "chosen": pa.bool_(),
        "tokens": whole,
        "trained_tokens": whole,
    }
