"""Data sets of the Hugging Face hub by name, as the files that `datasets` keeps of them."""

import re
from pathlib import Path
from typing import Final

from farsighted.core.errors import DataError

HUB: Final = "hub:"
"""Prefix of a name: hub:NAME, hub:NAME:SPLIT, hub:NAME@CONFIGURATION:SPLIT; the split is train otherwise."""
_FORM: Final = re.compile(r"hub:(?P<name>[^@:]+)(?:@(?P<configuration>[^:]+))?(?::(?P<split>\w+))?")


def hub_files(text: str) -> tuple[Path, ...]:
    """Return the files of a data set, downloaded where they are not on this machine yet (asking for one is asking).

    `datasets` finds, converts and keeps them; they are then read row by row like any other file.

    Raises:
        DataError: The text names no data set, or `datasets` cannot get it.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise DataError(f"A data set must be written hub:NAME[@CONFIGURATION][:SPLIT], but is '{text}'. Mend it.")
    # It takes a second to import, and most audits read files.
    import datasets

    split = found["split"] or "train"
    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(found["name"], found["configuration"], split=split)
    except Exception as error:  # The library lets through whatever its parts raise.
        reason = str(error).partition("\n")[0][:300]
        raise DataError(
            f"The data set '{text}' cannot be loaded: {reason}. Check its name, configuration and split, and that this "
            "machine has it or reaches the hub."
        ) from error
    files = tuple(Path(entry["filename"]) for entry in loaded.cache_files)
    if not files:
        raise DataError(f"The data set '{text}' has no file on this machine. Save it and name its folder.")
    return files
