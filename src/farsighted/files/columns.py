"""Fields of files under our names, where a configuration says which stands for which."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from farsighted.core.errors import ConfigError
from farsighted.core.names import did_you_mean

Columns = Mapping[str, str]
"""Our field to the name that the files have for it: {"prompt": "ask", "quality": "score"}."""
NO_COLUMNS: Final[Columns] = MappingProxyType({})


def under_our_names(row: Mapping[str, object], columns: Columns) -> dict[str, object]:
    """Return what a row holds under our names, without nulls; a named column is at the top or in `meta`."""
    fields = {name: value for name, value in row.items() if value is not None}
    meta = fields.get("meta")
    inner = meta if isinstance(meta, dict) else {}
    named = {name: fields.get(given, inner.get(given)) for name, given in columns.items()}
    return fields | {name: value for name, value in named.items() if value is not None}


def names_in(row: Mapping[str, object]) -> set[str]:
    """Return the names that a column may have in a row, at the top or in `meta`, whatever their values."""
    meta = row.get("meta")
    return {*row, *meta} if isinstance(meta, dict) else {*row}


def advice_on(row: Mapping[str, object], columns: Columns) -> str:
    """Return what to add where a row has no known shape: the columns that it lacks, each with its nearest name."""
    names = names_in(row)
    lacking = [(name, given) for name, given in columns.items() if given not in names]
    return "".join(
        f"; `data.columns` says '{given}' for `{name}`, which the row lacks. {did_you_mean(given, names)}"
        for name, given in lacking
    )


def refuse_unmet(columns: Columns, names: Iterable[str]) -> None:
    """Raise where a column is declared that no row has.

    Args:
        columns: What is declared.
        names: Names of fields in all rows of all files.

    Raises:
        ConfigError: With the first such column and the nearest name.
    """
    there = set(names)
    for name, given in columns.items():
        if given not in there:
            raise ConfigError(
                f"`data.columns.{name}` (in `select`: --column {name}=FIELD) must be a field that some row has, but no "
                f"row of any file has '{given}'. {did_you_mean(given, there)} Mend the name, or leave the column out."
            )
