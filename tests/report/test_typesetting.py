import csv
import io

from farsighted.report.typesetting import Measured, Table, TableRow, marks, to_csv, to_latex, to_markdown
from farsighted.results.columns import Column

UP, DOWN, PLAIN = Column("up", "Up", "higher", 1), Column("down", "Down", "lower", 2), Column("n", "N", None, 0)


def table(*rows, columns=(UP,), **kwargs):
    return Table("A table", columns, rows, **kwargs)


def test_best_and_second_follow_the_arrow():
    values = {"a": (1.0, 3.0, 1.0), "b": (2.0, 2.0, 2.0), "c": (3.0, 1.0, 3.0)}
    rows = [TableRow(name, [Measured(value) for value in row]) for name, row in values.items()]
    found = marks(table(*rows, columns=(UP, DOWN, PLAIN)))
    assert found == [["", "", ""], ["second", "second", ""], ["best", "best", ""]]


def test_reference_rows_bounds_and_missing_numbers_are_never_marked():
    rows = [
        TableRow("a", [Measured(1.0)]),
        TableRow("b", [Measured(2.0)]),
        TableRow("c", [Measured(9.0)], ranked=False),
        TableRow("d", [Measured(8.0, sign="> ")]),
        TableRow("e", [Measured(None)]),
    ]
    assert marks(table(*rows)) == [["second"], ["best"], [""], [""], [""]]


def test_two_that_share_the_best_leave_no_second_and_equal_columns_no_best():
    shared = [TableRow(name, [Measured(value)]) for name, value in {"a": 2.0, "b": 2.0, "c": 1.0}.items()]
    assert marks(table(*shared)) == [["best"], ["best"], [""]]
    assert marks(table(*shared[:2])) == [[""], [""]]


def test_markdown_is_exactly_this():
    rows = [
        TableRow("a", [Measured(1.04, sd=0.26)]),
        TableRow("b|c", [Measured(2.0)]),
        TableRow("r", ["w"], ranked=False),
    ]
    assert to_markdown(table(*rows, notes=["Over 2 seeds."])) == (
        "| Selector | Up ↑ |\n| --- | ---: |\n"
        "| a | <u>1.0 ± 0.3</u> |\n| b\\|c | **2.0** |\n| *r* | w |\n"
        "\nOver 2 seeds.\n"
    )


def test_an_interval_replaces_the_sd_where_it_is_asked_for():
    row = TableRow("a", [Measured(1.0, sd=0.5, low=0.25, high=1.75)])
    assert "| 1.0 [0.2, 1.8] |" in to_markdown(table(row, intervals=frozenset({"up"})))


def test_latex_is_booktabs_with_escapes():
    rows = [
        TableRow("a_b", [Measured(1.0, sd=0.5)]),
        TableRow("c", [Measured(2.0, sign="> ")]),
        TableRow("d", [Measured(3.0)]),
    ]
    text = to_latex(table(*rows, notes=["25%"]))
    assert r"\caption{A table 25\%}" in text
    assert r"Selector & Up $\uparrow$ \\" in text
    assert r"a\_b & \underline{1.0 $\pm$ 0.5} \\" in text
    assert r"c & \textgreater{} 2.0 \\" in text
    assert r"d & \textbf{3.0} \\" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")


def test_csv_holds_unrounded_numbers_and_empty_fields():
    rows = [
        TableRow("a,b", [Measured(1 / 3, sd=0.1, low=0.0, high=1.0, n=3), "yes"]),
        TableRow("c", [Measured(None), "no"]),
    ]
    read = list(csv.DictReader(io.StringIO(to_csv(table(*rows, columns=(UP, PLAIN))))))
    keys = ["selector", "up", "up_sd", "up_low", "up_high", "up_n", "n"]
    assert read[0] == dict(zip(keys, ["a,b", str(1 / 3), "0.1", "0.0", "1.0", "3", "yes"], strict=True))
    assert read[1]["up"] == ""


def test_large_counts_have_separators():
    assert "| 12,345 |" in to_markdown(table(TableRow("a", [Measured(12345.0, sd=3.0)]), columns=(PLAIN,)))
