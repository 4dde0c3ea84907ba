"""Sentences of an audit's plan about what is known of its pools."""

from farsighted.candidates.assembled import quality_choice, stand_ins
from farsighted.config.audit import AuditConfig
from farsighted.protocol.inputs import AuditInputs


def heuristics_note(config: AuditConfig, inputs: AuditInputs) -> tuple[str, ...]:
    """Return a sentence for each stage whose quality or difficulty comes from no label."""
    quality, names = config.quality, ("quality", "difficulty")
    return tuple(
        f"'{stage.name}': {clause}"
        for stage in inputs.stages.values()
        for clause in (*quality_choice(quality), *stand_ins(stage.pool.tokens, quality, names))
    )
