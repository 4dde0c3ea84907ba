import pytest

from farsighted.candidates.judge import judged
from farsighted.core.errors import ModelError, StorageError
from farsighted.core.values import Example
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
    stub.plan = {"{0}": [(200, "5")], "{1}": [(200, "Score: 1.5 of 5")], "{2}": [(200, "<think>2 or 3?</think> 5")]}
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


@pytest.mark.parametrize("said", ["Excellent!", "9", "-1", None], ids=str)
def test_an_answer_without_a_grade_is_asked_for_again_and_never_kept(stub, tmp_path, said):
    stub.plan = {"{0}": [(200, said)] * 2}
    with pytest.raises(ModelError, match=f"'e0', but does not: it must answer with a number from 0 to 5.*'{said}'"):
        grade(stub, tmp_path, EXAMPLES[:1], retries=1)
    assert len(stub.asked) == 2
    assert not list(tmp_path.iterdir())
    assert grade(stub, tmp_path, EXAMPLES[:1]).quality_N.tolist() == [0.8]


GARBAGE = [
    (0, ""),
    (200, b""),
    (200, b"<html>"),
    (200, b"[1]"),
    (200, b'{"choices": []}'),
    (200, b'{"choices": [{"message": {"content": {}}}], "usage": "much"}'),
    (200, b"\xff\xfe"),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda pair: f"{pair[0]}-{pair[1]!r}")
def test_garbage_is_asked_for_again_and_told_where_it_stays(stub, tmp_path, garbage):
    stub.plan = {"{0}": [garbage]}
    assert grade(stub, tmp_path, EXAMPLES[:1]).quality_N.tolist() == [0.8]
    stub.plan = {"{1}": [garbage] * 2}
    with pytest.raises(ModelError, match="must grade 'e1', but does not: "):
        grade(stub, tmp_path, EXAMPLES[1:2], retries=1)


@pytest.mark.parametrize("usage", ["null", '"much"', '{"prompt_tokens": null}', "[]"])
def test_an_answer_that_does_not_count_its_tokens_is_a_grade(stub, tmp_path, usage):
    text = '{"choices": [{"message": {"content": "5 \\ud83d"}}], "usage": ' + usage + "}"
    stub.plan = {"{0}": [(200, text.encode())]}
    found = grade(stub, tmp_path, EXAMPLES[:1])
    assert (found.quality_N.tolist(), found.tokens_read, found.tokens_written) == ([1.0], 0, 0)


@pytest.mark.parametrize("content", ["", "{}", '{"text": "good", "usage": {"read": 1, "written": 1}}'])
def test_a_kept_answer_that_holds_no_grade_is_asked_for_again(stub, tmp_path, content):
    grade(stub, tmp_path, EXAMPLES[:1])
    (file,) = tmp_path.iterdir()
    file.write_text(content)
    assert grade(stub, tmp_path, EXAMPLES[:1]).quality_N.tolist() == [0.8]
    assert len(stub.asked) == 2


def test_texts_with_nul_and_the_names_of_parts_are_filled_in_as_they_are(stub, tmp_path):
    grade(stub, tmp_path, [Example("e", "a\0{response}", "b")])
    assert stub.asked[0]["messages"][0]["content"] == "Rate a\0{response} and b"


def test_what_the_server_says_of_an_error_is_told(stub, tmp_path):
    stub.plan = {"{0}": [(404, "")]}
    with pytest.raises(ModelError, match=r"HTTP 404 Not Found \(no\)"):
        grade(stub, tmp_path, EXAMPLES[:1])


def test_after_one_failure_nothing_more_is_asked(stub, tmp_path):
    many = [Example(f"e{n}", f"ask {{{n}}}", "say") for n in range(60)]
    stub.plan = {"{0}": [(401, "")]}
    with pytest.raises(ModelError, match="HTTP 401"):
        judged(many, stub.judge(requests_per_minute=600), tmp_path)
    assert len(stub.asked) < 30


def test_a_folder_that_cannot_be_used_is_told(stub, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        grade(stub, tmp_path / "file")


def test_requests_start_no_closer_than_the_limit_allows(stub, tmp_path):
    clock = Clock()
    grade(stub, tmp_path, clock=clock, requests_per_minute=30)
    # Time stands still: the sixth request waits for five gaps of two seconds.
    assert sorted(clock.slept) == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "ftp://x", "http://a b", "http://127.0.0.1:x"])
def test_an_address_where_nobody_answers_is_refused(tmp_path, stub, url):
    with pytest.raises(ModelError, match=r"does not: (URLError|InvalidURL)|must begin with http"):
        grade(stub, tmp_path, EXAMPLES[:1], url=url, retries=0)
