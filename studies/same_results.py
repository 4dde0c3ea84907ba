"""Whether two versions of farsighted select and score alike, to the last bit.

Runs `demo`, `quadratic` (two seeds) and one small audit of five model architectures with the `farsighted` that is
installed, and prints one SHA-256 of all selections and one of all scores for each:

    python studies/same_results.py OUT [demo quadratic families] > before.json

Cells are told by selector, seed, order, budget and adaptation, not by their ids, which name the version too.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

_SIZES = {
    "vocab_size": 259,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 257,
    "eos_token_id": 258,
    "pad_token_id": 256,
}
_GROUPED = _SIZES | {"num_key_value_heads": 1, "head_dim": 8}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _GROUPED | {"rope_theta": 500000.0}),
    "qwen": ("Qwen3Config", _GROUPED | {"tie_word_embeddings": True}),
    "gemma": ("Gemma2Config", _GROUPED | {"query_pre_attn_scalar": 8, "sliding_window": 64}),
    "mistral": ("MistralConfig", _GROUPED | {"sliding_window": 64}),
    "gpt_neox": ("GPTNeoXConfig", _SIZES),
}
_SELECTORS = ["random", "loss", "gradient", "diversity", "quality", "utility_diversity", "lhas", "facility_location"]
NAMES = ("demo", "quadratic", "families")
_CELL = ("selector", "seed", "order", "budget", "adaptation")


def main(out: Path, names: list[str]) -> None:
    """Run the audits that are named and print their hashes as JSON."""
    found: dict[str, Any] = {}
    for name in names:
        if name not in NAMES:
            raise SystemExit(f"There is no '{name}' to run. Known: {', '.join(NAMES)}.")
    for name in names:
        began = time.time()
        if name == "families":
            found |= {f"families/{kind}": hashes(folder) for kind, folder in _families(out / "families").items()}
        else:
            overrides = ["seeds=[0,1]"] if name == "quadratic" else []
            found[name] = hashes(_audit(name, out / name, *overrides))
        print(f"{name}: {time.time() - began:.1f} s", file=sys.stderr)
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"CPU of all: {cpu.ru_utime + cpu.ru_stime:.1f} s", file=sys.stderr)
    print(json.dumps(found, indent=1))


def hashes(folder: Path) -> dict[str, str]:
    """Return the hashes of all selections and of all scores of a finished audit."""
    plan = json.loads((folder / "audit.json").read_text())
    cells = {"/".join(str(cell[key]) for key in _CELL): cell["id"] for cell in plan["cells"]}
    if not cells:
        raise SystemExit(f"{folder} has no cells.")
    found = {}
    for name in ("selections", "scores"):
        digest = hashlib.sha256()
        for title in sorted(cells):
            table = pq.read_table(folder / "cells" / cells[title] / f"{name}.parquet")
            digest.update(f"{title}|{table.num_rows}|".encode())
            _feed(digest, table)
        found[name] = digest.hexdigest()
    return found


def _feed(digest: Any, table: pa.Table) -> None:
    """Add a table by column and value: files of equal tables may differ."""
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_floating(column.type):
            empty = pc.is_null(column).to_numpy(zero_copy_only=False)
            digest.update(f"{name}|".encode() + column.fill_null(0.0).to_numpy().tobytes() + empty.tobytes())
        else:
            digest.update(f"{name}|{json.dumps(column.to_pylist())}".encode())


def _families(folder: Path) -> dict[str, Path]:
    import torch
    import transformers

    import farsighted

    folder.mkdir(parents=True, exist_ok=True)
    tiny = Path(farsighted.__file__).parent / "assets" / "tiny"
    runs = {}
    for kind, (config, sizes) in ARCHITECTURES.items():
        model_folder = folder / f"{kind}-model"
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(3)
            built = getattr(transformers, config)(**sizes)
            transformers.AutoModelForCausalLM.from_config(built).save_pretrained(model_folder)
        transformers.AutoTokenizer.from_pretrained(tiny).save_pretrained(model_folder)
        for mode in ("lora", "full"):
            audit = folder / f"{kind}-{mode}.yaml"
            audit.write_text(yaml.safe_dump(_small_audit(model_folder, mode)))
            runs[f"{kind}/{mode}"] = _audit(str(audit), folder / f"{kind}-{mode}")
    return runs


def _small_audit(model: Path, adaptation: str) -> dict[str, Any]:
    return {
        "title": "One architecture",
        "model": {"path": str(model), "context": 400},
        "suite": {"name": "skills", "train": 40, "validation": 6, "ood": 4, "proxy": 4},
        "seeds": [0],
        "selectors": _SELECTORS,
        "adaptations": [adaptation],
        "lora": {"r": 2, "alpha": 4, "dropout": 0.1},
        "training": {"batch_size": 4, "learning_rate": 5.0e-3},
        "probe": {"steps": 2, "points": 1, "items": 6},
        "statistics": {"resamples": 20},
    }


def _audit(source: str, out: Path, *overrides: str) -> Path:
    command = [str(Path(sys.executable).parent / "farsighted"), "audit", source, "--out", str(out), "--workers", "2"]
    done = subprocess.run([*command, *overrides], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the audits")
    parser.add_argument("names", nargs="*", help="demo, quadratic, families; all where none is named")
    asked = parser.parse_args()
    main(asked.out, asked.names or list(NAMES))
