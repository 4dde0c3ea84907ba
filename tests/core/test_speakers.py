import pytest

from farsighted.core.speakers import role_of


@pytest.mark.parametrize(
    ("given", "role"),
    [
        *((name, "system") for name in ("system", "SYSTEM", "developer")),
        *((name, "user") for name in ("User", "human", "Human ", "prompter")),
        *((name, "assistant") for name in ("gpt", "Bot", "model", "ChatGPT", "AI", "function_call", "function-call")),
        *((name, "tool") for name in ("function", "observation", "ipython", "function-response", "FUNCTION RESPONSE")),
    ],
)
def test_a_role_has_one_name_whatever_a_file_calls_it(given, role):
    assert role_of(given) == role


def test_a_role_of_no_known_name_stays_as_it_is():
    assert role_of("Critic") == "Critic"
