import pytest

from farsighted.files.marks import are_read, forbids


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"label": False}, "label false"),
        ({"kto_tag": False}, "kto_tag false"),
        ({"train": False}, "train false"),
        ({"train": 0}, "train 0"),
        ({"loss": False}, "loss false"),
        ({"weight": 0}, "weight 0"),
        ({"loss_weight": 0.0}, "loss_weight 0"),
        ({"label": True, "weight": 0}, "weight 0"),
    ],
)
def test_false_and_nought_forbid(fields, told):
    assert forbids(fields) == told
    assert are_read(fields) == fields.keys()


@pytest.mark.parametrize("fields", [{"label": True}, {"weight": 1}, {"weight": 1.0}, {"train": 1}, {"loss": True}])
def test_true_and_one_do_not(fields):
    assert forbids(fields) == ""
    assert are_read(fields) == fields.keys()


@pytest.mark.parametrize(
    "fields",
    [
        {"label": 0},
        {"label": 3},
        {"train": "test"},
        {"loss": 0.0},
        {"loss": 2.3},
        {"weight": 0.4},
        {"label": "0"},
        {"loss": "0.0"},
        {"weight": [0]},
    ],
)
def test_a_class_a_split_a_measured_loss_and_a_float_quality_are_no_marks(fields):
    assert forbids(fields) == ""
    assert not are_read(fields)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"label": "FALSE"}, "label false"),
        ({"kto_tag": "false"}, "kto_tag false"),
        ({"train": "0"}, "train 0"),
        ({"train": 0.0}, "train 0"),
        ({"loss": "0"}, "loss 0"),
        ({"weight": "0"}, "weight 0"),
        ({"label": "TRUE", "weight": "1.0"}, ""),
    ],
)
def test_a_mark_may_be_spelled_in_text(fields, told):
    assert forbids(fields) == told
    assert are_read(fields) == fields.keys()
