from farsighted.worlds.skills.regions import normalised, region


def test_case_and_spacing_do_not_change_the_normal_form_or_the_region():
    assert normalised(" Sort:  b\n A ") == "sort: b a"
    assert region(" Sort:  b\n A ") == region("sort: b a")


def test_regions_hold_eighty_fifteen_and_five_percent_of_prompts():
    count = 20_000
    found = [region(f"prompt {row}") for row in range(count)]
    for name, share in (("train", 0.80), ("validation", 0.15), ("proxy", 0.05)):
        assert abs(found.count(name) / count - share) < 4 * (share * (1 - share) / count) ** 0.5
