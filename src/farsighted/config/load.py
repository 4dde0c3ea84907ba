"""From a YAML file, a preset or a mapping, and overrides, to a checked configuration."""

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from farsighted.config.aliases import with_our_names
from farsighted.config.audit import AuditConfig
from farsighted.config.located import COMMAND_LINE, Located, override, parse_yaml
from farsighted.config.messages import sentences
from farsighted.core.errors import ConfigError
from farsighted.core.names import did_you_mean

_SUFFIXES: Final = (".yaml", ".yml")


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets that ship with the package, sorted."""
    folder = resources.files("farsighted.config") / "presets"
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def load_config(source: str | Path | Mapping[str, object], overrides: Iterable[str] = ()) -> AuditConfig:
    """Return the checked configuration, with `data_root` absolute.

    Args:
        source: A preset's name (`preset_names`), the path of a YAML file, or a mapping (such as the resolved
            configuration of an earlier audit). A file named like a preset is reached as ./name.
        overrides: "key.sub=value" each, the value read as YAML: "budgets=5%", "seeds=[0,1]", "stages.0.max_train=9".

    Raises:
        ConfigError: Anything that keeps the configuration from being carried out, with the key, the file and line
            (or "on the command line"), the nearest known name, and what to do.
    """
    located, base = _read(source)
    for text in overrides:
        located = override(located, text)
    located = with_our_names(located)
    try:
        config = AuditConfig.model_validate(located.value)
    except ValidationError as error:
        raise ConfigError(sentences(error.errors(), AuditConfig, located.place)) from None
    start = Path.cwd() if located.place(("data_root",)) == COMMAND_LINE else base
    return config.model_copy(update={"data_root": (start / (config.data_root or base)).resolve()})


def _read(source: str | Path | Mapping[str, object]) -> tuple[Located, Path]:
    """Return the values with their places, and the folder that a relative `data_root` in them starts from."""
    if isinstance(source, Mapping):
        return Located(dict(source), {(): "in the mapping"}), Path.cwd()
    if isinstance(source, str) and source in preset_names():
        preset = resources.files("farsighted.config") / "presets" / f"{source}.yaml"
        return parse_yaml(preset.read_text(encoding="utf-8"), f"preset {source}"), Path.cwd()
    path = Path(source).expanduser()
    return parse_yaml(_text(path), path.name), path.resolve().parent


def _text(path: Path) -> str:
    if not path.exists():
        raise ConfigError(f"A configuration must be a preset or a YAML file, but '{path}' is neither. {_hint(path)}")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} must be UTF-8 text, but byte {error.start + 1} is none. Save the file as UTF-8."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} must be readable, but is not: {error.strerror}. Name a YAML file.") from None


def _hint(path: Path) -> str:
    """Return the nearest preset or YAML file beside the path that was asked for."""
    folder = path.parent
    beside = (
        [str(folder / file.name) for file in folder.iterdir() if file.suffix in _SUFFIXES] if folder.is_dir() else []
    )
    known = [*preset_names(), *beside[:50]]
    return did_you_mean(str(path), known) if known else f"There is no YAML file in '{folder}'."
