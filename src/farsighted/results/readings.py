"""The numbers of a finished audit, for those who watched it."""

from collections.abc import Iterable

from farsighted.core.readings import Reading
from farsighted.results.lookup import GroupKey, title
from farsighted.store.result_records import SummaryEntry


def summary_readings(summary: Iterable[SummaryEntry]) -> tuple[Reading, ...]:
    """Return every mean over seeds and every verdict of the summary, selector by selector.

    Each bears its key in results.json; in place of a cell's id it has the selector with its group in words. `verdict`
    is that beside the first reference, None where there is none.
    """
    return tuple(reading for entry in summary for reading in _entry_readings(entry))


def _entry_readings(entry: SummaryEntry) -> list[Reading]:
    whose = f"{entry['selector']}, {title(GroupKey.of(entry))}"
    means = {key: numbers["mean"] for part in ("metrics", "diagnostics") for key, numbers in entry[part].items()}
    first = entry["verdicts"][0]["verdict"] if entry["verdicts"] else None
    return [*(Reading(key, mean, whose) for key, mean in means.items()), Reading("verdict", first, whose)]
