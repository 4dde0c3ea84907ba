import json
import math

from farsighted.core.readings import Reading


def test_a_reading_goes_through_a_line_of_json_bit_for_bit():
    for value in (1 / 3, 5e-324, math.inf, None, "myopic"):
        reading = Reading("loss", value, "a", "math", 3, None)
        assert Reading(*json.loads(json.dumps(reading))) == reading
    assert math.isnan(Reading(*json.loads(json.dumps(Reading("loss", math.nan, "a")))).value)
