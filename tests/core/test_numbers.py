import math

import numpy as np
import pytest

from farsighted.core.numbers import number_or_none


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_json_has_no_number_for_is_none(value):
    assert number_or_none(value) is None


@pytest.mark.parametrize("value", [0, -1.5, np.float32(0.25), np.int64(3)])
def test_a_number_is_a_plain_float(value):
    found = number_or_none(value)
    assert (type(found), found) == (float, value)
