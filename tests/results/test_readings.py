from farsighted.core.readings import Reading
from farsighted.results.readings import summary_readings


def test_every_mean_and_verdict_of_the_summary_is_a_reading_of_its_selector():
    group = {"order": "canonical", "budget": "25%", "adaptation": "lora"}
    entry = {"selector": "loss", **group, "verdicts": [{"verdict": "myopic"}, {"verdict": "worse"}]}
    entry |= {"metrics": {"current": {"mean": 41.5}}, "diagnostics": {"adapter_drift": {"mean": None}}}
    whose = "loss, order canonical, budget 25%, lora"
    assert summary_readings([entry]) == (
        Reading("current", 41.5, whose),
        Reading("adapter_drift", None, whose),
        Reading("verdict", "myopic", whose),
    )


def test_a_reference_has_no_verdict():
    entry = {"selector": "random", "order": "canonical", "budget": "25%", "adaptation": "lora", "verdicts": []}
    entry |= {"metrics": {}, "diagnostics": {}}
    assert summary_readings([entry]) == (Reading("verdict", None, "random, order canonical, budget 25%, lora"),)
