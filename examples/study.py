"""The study of docs/results/real-data.md: both sequences on a small pre-trained model, seven selectors, three seeds.

python examples/pretrain.py PATH_OF_THE_DATA runs/small --steps 2000
python examples/study.py PATH_OF_THE_DATA runs/small runs/study
"""

import argparse
import importlib.resources
import logging
import sys
from pathlib import Path

import yaml

from farsighted.api import audit

SIZES = {"max_train": 320, "max_validation": 40, "max_ood": 30}

_log = logging.getLogger("study")


def study_config(sequence: str, data_root: Path, model: Path) -> dict[str, object]:
    """Return the preset of a sequence, cut to what two cores finish."""
    preset = importlib.resources.files("farsighted") / "config" / "presets" / f"{sequence}.yaml"
    config: dict[str, object] = yaml.safe_load(preset.read_text(encoding="utf-8"))
    stages = [{**stage, **SIZES} for stage in config["stages"]]  # type: ignore[attr-defined]
    return {
        **config,
        "stages": stages,
        "data_root": str(data_root.resolve()),
        "model": {"path": str(model), "context": 384},
        "seeds": [0, 1, 2],
        "training": {"batch_size": 8, "learning_rate": 2.0e-3},
        "probe": {"steps": 6, "points": 3, "items": 40},
    }


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing of both audits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_root", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sequences", nargs="+", default=["skill", "domain"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE, as in `farsighted audit`")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    for sequence in options.sequences:
        config = study_config(sequence, options.data_root, options.model)
        paths = audit(config, options.out / sequence, options.overrides, options.workers)
        _log.info("%s", paths.scorecard)


if __name__ == "__main__":
    main()
