"""A table as a value, and its three writings: CSV for programs, Markdown for people, LaTeX (booktabs) for papers.

In CSV every measured column becomes five: mean, sd, low, high, n, unrounded. In the other two a number is `mean ± sd`,
the best of its column bold and the second underlined.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from farsighted.results.columns import Column
from farsighted.store.result_records import SummaryNumbers

Mark = Literal["", "best", "second"]

_SPREAD = ("sd", "low", "high", "n")


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with its spread over seeds; None where there is none."""

    mean: float | None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    sign: str = ""
    """Sign before a number that is a bound (`>`, `<`). Such a number is never best or second."""

    @classmethod
    def of(cls, entry: SummaryNumbers, sign: str = "") -> "Measured":
        """Return a number over seeds of results.json as a value."""
        return cls(entry["mean"], entry["sd"], entry["low"], entry["high"], entry["n"], sign)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of a table."""

    label: str
    numbers: Sequence[Measured | str]
    """One a column; plain text where a column holds words."""
    ranked: bool = True
    """False for reference rows: shown in italics, never best or second."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of selectors by columns."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[TableRow]
    notes: Sequence[str] = field(default=())
    intervals: frozenset[str] = frozenset()
    """Keys of the columns that Markdown and LaTeX show with their 95 % interval in place of ± sd."""
    head: str = "Selector"
    """Heading of the labels of the rows."""


def marks(table: Table) -> list[list[Mark]]:
    """Return which numbers are the best and the second of their column, by row and column.

    Columns in which no end is better or all numbers are equal have none; equal numbers share a mark, and two that share
    the best leave no second. Reference rows, missing numbers and bounds take no part.
    """
    result: list[list[Mark]] = [["" for _ in table.columns] for _ in table.rows]
    for index, column in enumerate(table.columns):
        ranked = _ranked(table, index)
        values = sorted((number for _, number in ranked), reverse=column.better == "higher")
        if column.better is None or len(set(values)) < 2:
            continue
        for row, number in ranked:
            if number == values[0]:
                result[row][index] = "best"
            elif number == values[1]:
                result[row][index] = "second"
    return result


def to_csv(table: Table) -> str:
    """Return the table as CSV: keys as headings, numbers unrounded, empty where missing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    words = [any(isinstance(row.numbers[index], str) for row in table.rows) for index in range(len(table.columns))]
    heading = [table.head.lower()]
    for column, is_words in zip(table.columns, words, strict=True):
        heading += [column.key] if is_words else [column.key, *(f"{column.key}_{part}" for part in _SPREAD)]
    writer.writerow(heading)
    for row in table.rows:
        fields: list[object] = [row.label]
        for number in row.numbers:
            fields += [number] if isinstance(number, str) else [number.mean, *(getattr(number, p) for p in _SPREAD)]
        writer.writerow("" if value is None else value for value in fields)
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """Return the table as GitHub Markdown: best `**bold**`, second `<u>underlined</u>`, notes below."""
    heading = [table.head, *(f"{column.label} {column.arrow}".strip() for column in table.columns)]
    lines = [_pipe(heading), _pipe(["---", *("---:" for _ in table.columns)])]
    wrap: dict[Mark, str] = {"": "{}", "best": "**{}**", "second": "<u>{}</u>"}
    for row, texts in zip(table.rows, _texts(table, wrap, str), strict=True):
        lines.append(_pipe([row.label if row.ranked else f"*{row.label}*", *texts]))
    lines += [line for note in table.notes for line in ("", note)]
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    r"""Return the table as LaTeX for the package booktabs: best `\textbf`, second `\underline`."""
    arrows = {"↑": r" $\uparrow$", "↓": r" $\downarrow$", "": ""}
    wrap: dict[Mark, str] = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
    heading = [table.head, *(_escape(column.label) + arrows[column.arrow] for column in table.columns)]
    lines = [r"\begin{table}[t]", r"\centering", rf"\caption{{{_escape(' '.join([table.title, *table.notes]))}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule", " & ".join(heading) + r" \\"]
    lines.append(r"\midrule")
    for row, texts in zip(table.rows, _texts(table, wrap, _escape), strict=True):
        label = _escape(row.label)
        lines.append(" & ".join([label if row.ranked else rf"\textit{{{label}}}", *texts]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


WRITERS: Final[Mapping[str, Callable[[Table], str]]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
"""Suffix of a file to the writing of a table."""


def _ranked(table: Table, index: int) -> list[tuple[int, float]]:
    numbers = [(row, line.numbers[index]) for row, line in enumerate(table.rows) if line.ranked]
    return [(row, n.mean) for row, n in numbers if isinstance(n, Measured) and n.mean is not None and not n.sign]


def _texts(table: Table, wrap: Mapping[Mark, str], escape: Callable[[str], str]) -> list[list[str]]:
    return [
        [
            wrap[mark].format(escape(_text(number, column, column.key in table.intervals)))
            for number, column, mark in zip(row.numbers, table.columns, row_marks, strict=True)
        ]
        for row, row_marks in zip(table.rows, marks(table), strict=True)
    ]


def _text(number: Measured | str, column: Column, interval: bool) -> str:
    if isinstance(number, str):
        return number
    if number.mean is None:
        return "–"
    text = f"{number.sign}{number.mean:,.{column.digits}f}"
    if interval and number.low is not None and number.high is not None:
        return f"{text} [{number.low:.{column.digits}f}, {number.high:.{column.digits}f}]"
    return text if number.sd is None or column.digits == 0 else f"{text} ± {number.sd:.{column.digits}f}"


def _pipe(fields: Sequence[str]) -> str:
    escaped = (text.replace("|", "\\|") for text in fields)
    return f"| {' | '.join(escaped)} |"


def _escape(text: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
    special |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
    special |= {"±": r"$\pm$", "–": "--", "×": r"$\times$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "−": "--"}
    return "".join(special.get(sign, sign) for sign in text)
