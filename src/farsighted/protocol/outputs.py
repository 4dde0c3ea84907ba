"""Where an audit may be written: never where its data would be read from the next time."""

from pathlib import Path
from typing import Final

from farsighted.config.audit import AuditConfig
from farsighted.files.apart import Inputs, refuse_folder_in_inputs
from farsighted.store.layout import ARTIFACTS

_OF_VIEWS: Final = frozenset({"scores.parquet", "selections.parquet", "scorecard.md", "tables", "figures"})


def refuse_output(config: AuditConfig, folder: Path) -> None:
    """Raise `ConfigError` where what an audit writes below a folder would be read as its data, or lies over it."""
    refuse_folder_in_inputs(folder, sorted(ARTIFACTS | _OF_VIEWS), _inputs_of(config))


def _inputs_of(config: AuditConfig) -> Inputs:
    data: dict[str, tuple[str, ...]] = {}
    for stage in config.stages or ():
        data[f"the pool of {stage.name}"] = stage.train
        if not isinstance(stage.validation, int):
            data[f"the validation set of {stage.name}"] = stage.validation
        data |= {f"the shifted set {name}": paths for name, paths in stage.ood_files.items()}
    models = {
        "the model": config.model.path,
        "the embedding": config.signals.embedding,
        "the reference model": config.signals.reference,
        "the reward model": config.quality.reward_model,
    }
    named = {what: Path(path).expanduser() for what, path in models.items() if path}
    return Inputs(config.data_root or Path.cwd(), data, {what: path for what, path in named.items() if path.is_dir()})
