import pytest

from farsighted.core.adaptations import kind_of, settings_of, virtual_tokens


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("lora", "lora"),
        ("qlora", "lora"),
        ("dora", "lora"),
        ("full", "full"),
        ("bottleneck", "bottleneck"),
        ("p_tuning_v2", "prefix_tuning"),
        ("mine", "ia3"),
        ("theirs", "bottleneck"),
    ],
)
def test_a_name_has_the_kind_of_its_entry_or_its_own(mode, kind):
    assert kind_of(mode, {"mine": {"peft_type": "IA3"}, "theirs": {"peft_type": "bottleneck"}}) == kind


def test_what_a_name_stands_for_gives_way_to_its_entry():
    assert settings_of("prefix_tuning", {})["prefix_projection"] is True
    assert settings_of("p_tuning_v2", {})["prefix_projection"] is False
    assert settings_of("prefix_tuning", {"prefix_tuning": {"prefix_projection": False}})["prefix_projection"] is False
    own = {"peft_type": "prefix_tuning", "num_virtual_tokens": 3}
    assert settings_of("prefix_tuning", {"prefix_tuning": own}) == own


def test_only_prompt_learning_has_virtual_tokens():
    peft = {"mine": {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 7}}
    modes = ("lora", "full", "ia3", "bottleneck", "prompt_tuning", "p_tuning", "prefix_tuning", "p_tuning_v2", "mine")
    assert [virtual_tokens(mode, peft) for mode in modes] == [0, 0, 0, 0, 20, 20, 20, 20, 7]
