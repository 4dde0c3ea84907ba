"""Numbers, yes and no in calls, which a template may leave out."""

import json

import pytest

from farsighted.models.call_values import lost_values
from farsighted.models.messages import Conversation

CALL = {"function": {"name": "add", "arguments": {"x": 5, "part": 0.5, "flag": True, "deep": [{"y": 5}]}}}
TALK = Conversation(({"role": "assistant", "content": "", "tool_calls": [CALL]},))


def arguments(talk):
    return talk.messages[0]["tool_calls"][0]["function"]["arguments"]


def lost(write):
    return [piece.text for piece in lost_values(TALK, write(TALK), write)]


@pytest.mark.parametrize("write", [lambda talk: json.dumps(arguments(talk)), lambda talk: str(arguments(talk))])
def test_what_is_written_is_not_lost(write):
    assert lost(write) == []


def test_what_is_written_in_another_way_is_not_lost():
    def spells(talk):
        found = arguments(talk)
        return f"{found['x']:.1e} {found['part']:.0%} {'yes' if found['flag'] else 'no'} {found['deep']}"

    assert lost(spells) == []


def test_what_is_not_written_is_lost_though_an_equal_number_is():
    assert lost(lambda talk: "add") == ["5", "0.5", "true", "5"]
    assert lost(lambda talk: f"{arguments(talk)['x']}") == ["0.5", "true", "5"]


def test_a_talk_without_values_is_not_written_again():
    assert lost_values(Conversation(({"role": "user", "content": "5"},)), "5", lambda _: 1 / 0) == []
