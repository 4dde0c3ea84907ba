"""Where the weights of a model are that is not a folder of its own (`models.unpacked`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from farsighted.models.weights import beside_notes, read_json
from farsighted.store.layout import MARKER

ADAPTER: Final = "adapter"
GGUF: Final = "gguf"

ORIGIN: Final = "origin.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the weights of an unpacked model are."""

    kind: Literal["adapter", "gguf"]
    where: str
    """The GGUF file, or the adapter's folder."""
    on: str = ""
    """Folder of the model that an adapter is put on."""
    notes: tuple[str, ...] = ()
    """Sentences for whoever reads a plan or a report."""
    learned_positions: bool = False
    """Whether the weights have a table of positions; of an adapter its base tells."""

    @property
    def path(self) -> Path:
        """`where` as a path."""
        return Path(self.where)

    @property
    def base(self) -> Path:
        """`on` as a path."""
        return Path(self.on)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What is written of a model."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...]
    learned_positions: bool = False


def origin_of(folder: Path) -> Origin | None:
    """Return where the weights of an unpacked model are; None for a folder that holds its own."""
    found = read_json(folder / ORIGIN) if (folder / MARKER).is_file() else {}
    if found.get("kind") not in {ADAPTER, GGUF}:
        return None
    notes = found["notes"]
    return Origin(
        ADAPTER if found["kind"] == ADAPTER else GGUF,
        str(found["where"]),
        str(found["on"]),
        tuple(map(str, notes)) if isinstance(notes, list) else (),
        bool(found["learned_positions"]),
    )


def model_notes(folder: Path) -> tuple[str, ...]:
    """Return sentences about what a model is made of, where that is not the folder's weights alone."""
    origin = origin_of(folder)
    if origin is None:
        return beside_notes(folder)
    return (*origin.notes, *(model_notes(origin.base) if origin.kind == ADAPTER else ()))
