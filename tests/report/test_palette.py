from farsighted.report.palette import styles


def entries(count):
    rows = [{"selector": f"s{number}", "reference": False} for number in range(count)]
    return [{"selector": "random", "reference": False}, *rows, {"selector": "random_matched", "reference": True}]


def test_forty_nine_selectors_can_be_told_apart():
    found = styles(entries(49), "random")
    assert len({(style.colour, style.marker) for style in found.values()}) == 51


def test_only_reference_rows_are_dashed_and_hollow():
    found = styles(entries(3), "random")
    assert [name for name, style in found.items() if style.dashed] == ["random_matched"]
    assert found["random_matched"].fill == "white"
    assert found["s0"].fill == found["s0"].colour


def test_a_selector_keeps_its_look_whatever_its_group():
    twice = [*entries(3), *entries(3)]
    assert styles(twice, "random") == styles(entries(3), "random")
