"""What the README tells people to do works as it stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import typer

from farsighted.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
MICRO = """
suite: {name: skills, train: 48, validation: 8, ood: 4, proxy: 4}
seeds: [0]
selectors: [random]
references: []
training: {batch_size: 4}
probe: {steps: 2, points: 1, items: 8}
statistics: {resamples: 20}
"""


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_selector_of_the_readme_runs_through_an_audit(tmp_path):
    (code,) = [block for block in blocks("python") if "Shortest" in block]
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "micro.yaml").write_text(MICRO)
    command = [str(Path(sys.executable).parent / "farsighted"), "audit", "micro.yaml", "--selector", "mine:Shortest"]
    environment = {**os.environ, "CI": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    scorecard = tmp_path / run.stdout.strip().splitlines()[-1]
    results = json.loads(scorecard.with_name("results.json").read_text())
    assert {cell["selector"]: cell["status"] for cell in results["cells"]} == {"random": "done", "Shortest": "done"}


def test_the_selector_of_the_readme_takes_ten_lines():
    (code,) = [block for block in blocks("python") if "Shortest" in block]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


def test_every_verb_of_the_readme_exists():
    named = {line.split()[1] for block in blocks("sh") for line in block.splitlines() if line.startswith("farsighted ")}
    assert named == set(typer.main.get_command(app).commands)


def test_every_make_target_of_the_readme_exists():
    named = {line.split()[1] for block in blocks("sh") for line in block.splitlines() if line.startswith("make ")}
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert named
    assert named <= targets


def test_every_file_that_the_readme_links_to_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_file_that_contributing_names_exists():
    """Paths within the package are written from its root."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_0-9]+\.(?:py|md))?)`", text))
    assert len(paths) > 20
    assert [
        path for path in paths if not (ROOT / path).exists() and not (ROOT / "src/farsighted" / path).exists()
    ] == []
