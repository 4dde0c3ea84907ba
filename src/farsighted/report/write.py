"""From an audit's folder to its report: the numbers first, then every view of them."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from farsighted.core.errors import FarsightedError
from farsighted.report.views import Seen, View, asked_views, checked_files
from farsighted.results.audit import read_audit
from farsighted.results.build import build_results, to_json
from farsighted.store.atomic import write_bytes, write_text
from farsighted.store.layout import Layout


class ViewsFailedError(FarsightedError):
    """Some views could not be made; results.json and the others are written."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """What a report wrote."""

    root: Path
    files: Mapping[str, tuple[Path, ...]]
    """View to its files, sorted; nothing of views that failed."""
    failures: tuple[str, ...] = ()
    """A sentence for each view that failed."""

    @property
    def results(self) -> Path:
        """All numbers."""
        return Layout(self.root).results

    @property
    def scorecard(self) -> Path:
        """The page that a person reads first."""
        return Layout(self.root).scorecard

    def check(self) -> None:
        """Raise `ViewsFailedError` where a view failed."""
        if self.failures:
            raise ViewsFailedError(
                f"{' '.join(self.failures)} All else is written to {self.root}; `farsighted report {self.root}` tries "
                "again."
            )


def write_results(root: Path, views: Sequence[str] | None = None) -> ReportPaths:
    """Read the plan and the finished cells under `root`, and write the results and views of them there.

    Every file is replaced in one step, results.json first: a view that fails costs neither numbers nor other views.
    `views`: names or paths as `report.views.asked_views` takes them; None = all.

    Raises:
        StorageError: no plan, a damaged cell, or a file that cannot be written.
        ConfigError: a view that there is not.
    """
    asked = asked_views(views)
    audit = read_audit(root)
    seen = Seen(build_results(audit), tuple(audit.cells.values()))
    write_text(Layout(root).results, to_json(seen.results))
    files: dict[str, tuple[Path, ...]] = {}
    taken: dict[str, str] = {}
    failures = []
    for name, view in asked.items():
        made = _made(name, view, seen, taken)
        if isinstance(made, str):
            failures.append(made)
            continue
        for path, content in made.items():
            write_bytes(root / path, content)
        files[name] = tuple(root / path for path in sorted(made))
        taken |= dict.fromkeys(made, name)
    return ReportPaths(root, files, tuple(failures))


def _made(name: str, view: View, seen: Seen, taken: Mapping[str, str]) -> dict[str, bytes] | str:
    """The files of a view, or the sentence that says why there are none."""
    try:
        return checked_files(view(seen), taken)
    except FarsightedError as error:
        return f"View '{name}' failed: {error}"
    except Exception as error:  # noqa: BLE001 — a view may raise anything; it is told, and costs no other view
        frame = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__}: {error}".rstrip(". ")
        return f"View '{name}' failed at {frame.filename}:{frame.lineno} with {said}."
