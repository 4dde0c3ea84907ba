"""Sentences of an audit's plan about what is known of its pools, and of its model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from farsighted.candidates.assembled import quality_choice, stand_ins
from farsighted.config.audit import AuditConfig
from farsighted.core import fingerprint
from farsighted.protocol.inputs import AuditInputs
from farsighted.store import atomic
from farsighted.store.layout import Layout

_NOTES: Final = "notes.json"


def heuristics_note(config: AuditConfig, inputs: AuditInputs) -> tuple[str, ...]:
    """Return a sentence for each stage whose quality or difficulty comes from no label."""
    quality, names = config.quality, ("quality", "difficulty")
    return tuple(
        f"'{stage.name}': {clause}"
        for stage in inputs.stages.values()
        for clause in (*quality_choice(quality), *stand_ins(stage.pool.tokens, quality, names))
    )


def notes_of_modes(found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return what is said of the model under each adaptation, each sentence once, with the adaptation where it matters.

    >>> notes_of_modes({"lora": ["Slow.", "Short."], "full": ["Short."]})
    ('Under lora: Slow.', 'Short.')
    """
    lines: dict[str, None] = {}
    for mode, notes in found.items():
        for note in notes:
            everywhere = all(note in others for others in found.values())
            lines[note if everywhere else f"Under {mode}: {note}"] = None
    return tuple(lines)


def keep_model_notes(config: AuditConfig, inputs: AuditInputs, layout: Layout, notes: Sequence[str]) -> None:
    """Write what was found out about the model when it was loaded, for the plan of the process that leads."""
    atomic.keep_folder(_model_notes(config, inputs, layout), {_NOTES: json.dumps(list(notes)).encode()})


def kept_model_notes(config: AuditConfig, inputs: AuditInputs, layout: Layout) -> tuple[str, ...]:
    """Return what `keep_model_notes` wrote; nothing before the model has been loaded."""
    file = _model_notes(config, inputs, layout) / _NOTES
    return tuple(map(str, json.loads(file.read_text(encoding="utf-8")))) if file.is_file() else ()


def _model_notes(config: AuditConfig, inputs: AuditInputs, layout: Layout) -> Path:
    decides = config.model_dump(mode="json", include={"adaptations", "lora", "peft", "training"})
    return layout.shared / f"model-{fingerprint.of_json([inputs.model_hash, str(inputs.folder), decides])[:16]}"
