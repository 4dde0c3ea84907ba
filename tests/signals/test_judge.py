import pytest

from farsighted.core.errors import ModelError
from farsighted.core.values import Example
from farsighted.signals.judge import judged
from oracles.judge_stub import Stub

EXAMPLES = [Example(f"e{n}", f"ask {{{n}}}", f"say {{prompt}} {n}") for n in range(6)]


@pytest.fixture
def stub():
    found = Stub()
    yield found
    found.server.shutdown()
    found.server.server_close()


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)


def grade(stub, folder, examples=EXAMPLES, clock=None, **changes):
    clock = clock or Clock()
    return judged(examples, stub.judge(**changes), folder, clock, clock.sleep)


def test_grades_come_in_the_order_of_the_examples_and_between_0_and_1(stub, tmp_path):
    stub.plan = {"{0}": [(200, "5")], "{1}": [(200, "Score: 1.5 of 5")], "{2}": [(200, "9")]}
    found = grade(stub, tmp_path)
    assert found.quality_N.tolist() == pytest.approx([1.0, 0.3, 1.0, 0.8, 0.8, 0.8])
    assert (found.tokens_read, found.tokens_written) == (60, 12)


def test_prompt_and_response_are_filled_in_whatever_braces_they_hold(stub, tmp_path):
    grade(stub, tmp_path, EXAMPLES[:1], key="secret")
    (body,) = stub.asked
    assert body["messages"][0]["content"] == "Rate ask {0} and say {prompt} 0"
    assert (body["model"], body["temperature"]) == ("m", 0)
    assert stub.headers[0]["Authorization"] == "Bearer secret"


def test_what_was_graded_is_not_asked_for_again(stub, tmp_path):
    first = grade(stub, tmp_path)
    again = grade(stub, tmp_path)
    assert len(stub.asked) == 6
    assert again.quality_N.tolist() == first.quality_N.tolist()
    assert again.tokens_read == first.tokens_read
    grade(stub, tmp_path, EXAMPLES[:1], model="other")
    assert len(stub.asked) == 7


def test_a_request_that_fails_is_sent_again_after_as_long_as_the_server_says(stub, tmp_path):
    stub.plan = {"{0}": [(429, ""), (503, ""), (200, "3")]}
    clock = Clock()
    assert grade(stub, tmp_path, EXAMPLES[:1], clock).quality_N.tolist() == pytest.approx([0.6])
    assert len(stub.asked) == 3
    assert 7.0 in clock.slept
    assert 2.0 in clock.slept


def test_a_judge_that_stays_silent_keeps_what_was_graded(stub, tmp_path):
    stub.plan = {"{5}": [(500, "")] * 9}
    with pytest.raises(ModelError, match=r"must grade 'e5', but does not: HTTP 500.*goes on with what is left"):
        grade(stub, tmp_path, retries=1)
    asked = len(stub.asked)
    stub.plan = {}
    assert len(grade(stub, tmp_path).quality_N) == 6
    assert len(stub.asked) == asked + 1


def test_a_request_that_can_never_succeed_is_not_repeated(stub, tmp_path):
    stub.plan = {"{0}": [(401, "")] * 9}
    with pytest.raises(ModelError, match="HTTP 401"):
        grade(stub, tmp_path, EXAMPLES[:1])
    assert len(stub.asked) == 1


def test_an_answer_without_a_number_says_what_was_said(stub, tmp_path):
    stub.plan = {"{0}": [(200, "Excellent!")]}
    with pytest.raises(ModelError, match="must answer with a number, but said of 'e0': 'Excellent!'"):
        grade(stub, tmp_path, EXAMPLES[:1])


def test_requests_start_no_closer_than_the_limit_allows(stub, tmp_path):
    clock = Clock()
    grade(stub, tmp_path, clock=clock, requests_per_minute=30)
    # Time stands still: the sixth request waits for five gaps of two seconds.
    assert sorted(clock.slept) == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "ftp://x"])
def test_an_address_where_nobody_answers_is_refused(tmp_path, stub, url):
    with pytest.raises(ModelError, match=r"does not: URLError|must begin with http"):
        grade(stub, tmp_path, EXAMPLES[:1], url=url, retries=0)
