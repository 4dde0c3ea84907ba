"""The numbers of docs/theory.md: Proposition 1 and the corollary of Appendix B.2, tried on random quadratic problems.

python examples/theory.py OUT_FOLDER

Writes ordering.csv, transfer.csv, theory.json and transfer.svg there, and prints the tables.
"""

import argparse
import csv
import io
import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from farsighted.metrics.corollary import (
    Moments,
    check_concentration,
    future_covariance,
    gradients_of,
    linear_transfer_variance,
    projection_moments,
    sphere_moments,
    spiked_spectrum,
    square_bounds,
    squared_projection,
    variance_estimate,
)
from farsighted.metrics.diagnostics import update_concentration
from farsighted.metrics.theory import OrderCheck, QuadraticTask, Sizes, check_order, draw_problems, expand
from farsighted.report.palette import FAINT, FALLS, INK, RISES

STEP_SIZES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0)
"""In units of 1 / lambda_max of the curvature."""
WIDTH = 16
SHARES = (1 / WIDTH, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Top-eigenvalue shares; the first is that of a flat spectrum."""
FUTURES = {
    "aligned": (0.0, 0.9),
    "45° away": (45.0, 0.9),
    "broad": (0.0, 0.0),
    "90° away": (90.0, 0.9),
    "top direction left out": (0.0, -1 / (WIDTH - 1)),
}
"""Angle in degrees to the top direction of the selected gradients, and weight in `future_covariance`."""
UNIT = "broad, unit length"
_COLOURS = (FALLS, "#E69F00", INK, "#009E73", RISES)
_LOOK = {
    "svg.hashsalt": "farsighted",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}

_log = logging.getLogger("theory")
Row = dict[str, Any]


def ordering(rng: np.random.Generator, problems: int) -> list[Row]:
    """Return what became of Proposition 1, a row a step size; the problems are the same in every row."""
    drawn = draw_problems(rng, Sizes(problems, dimensions=WIDTH))
    checks = [check_order(drawn, step_size) for step_size in STEP_SIZES]
    always_P = np.logical_and.reduce([check.paired_P for check in checks])
    return [_ordering_row(check, always_P) for check in checks]


def counterexample() -> Row:
    """Return a counterexample by hand: two updates that gain alike now, and differ along an axis that comes later."""
    theta, step_size = np.zeros(2), 1.0
    current, following = (
        QuadraticTask(np.diag(curvature), np.array(optimum))
        for curvature, optimum in (([1.0, 0.0], [-1.0, 0.0]), ([1.0, 1.0], [0.0, -1.0]))
    )
    found: Row = {"step_size": step_size}
    for name, update in (("a", np.array([1.0, 0.0])), ("b", np.array([1.0, 4.0]))):
        now, later = (expand(theta, task, update, step_size) for task in (current, following))
        found |= {f"current_gain_{name}": float(now.before - now.after)}
        found |= {f"projection_{name}": float(-later.linear / step_size), f"next_loss_{name}": float(later.after)}
    return found


def transfer(rng: np.random.Generator, directions: int) -> list[Row]:
    """Return what future directions receive, a row a future and a concentration: closed form and Monte Carlo."""
    basis_DD = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
    rows = []
    for name, (angle, weight) in FUTURES.items():
        top_D = np.cos(np.deg2rad(angle)) * basis_DD[0] + np.sin(np.deg2rad(angle)) * basis_DD[1]
        covariance_DD = future_covariance(top_D, weight)
        value_D, vector_DD = np.linalg.eigh(covariance_DD)
        direction_FD = rng.normal(size=(directions, WIDTH)) @ (np.sqrt(value_D.clip(0)) * vector_DD).T
        rows += _received(name, basis_DD, direction_FD, partial(projection_moments, covariance_DD=covariance_DD))
    direction_FD = rng.normal(size=(directions, WIDTH))
    direction_FD /= np.linalg.norm(direction_FD, axis=1, keepdims=True)
    return rows + _received(UNIT, basis_DD, direction_FD, sphere_moments)


def summary(rows: Sequence[Row]) -> list[Row]:
    """Return a row a future: what becomes of what it receives from the flattest spectrum to the steepest."""
    found = []
    for name in (*FUTURES, UNIT):
        own = [row for row in rows if row["future"] == name]
        flat, steep = own[0], own[-1]
        steps = np.diff([row["variance"] for row in own])
        found.append(
            {
                "future": name,
                "mean_ratio": steep["mean"] / flat["mean"],
                "variance": "rises" if (steps > 0).all() else "falls" if (steps < 0).all() else "does both",
                "variance_ratio": steep["variance"] / flat["variance"] if flat["variance"] else None,
                **{f"{key}_flat": flat[key] for key in ("relative_sd", "below_half_mean")},
                **{f"{key}_steep": steep[key] for key in ("relative_sd", "below_half_mean")},
            }
        )
    return found


def turned_round() -> Row:
    """Return what C(S) cannot see: a unit gradient twice, and once each way, for the linear term of a broad future."""
    twice_MD = np.tile(np.eye(WIDTH)[0], (2, 1))
    found: Row = {}
    for name, gradient_MD in (("twice", twice_MD), ("each_way", twice_MD * np.array([[1.0], [-1.0]]))):
        found[f"concentration_{name}"] = update_concentration(gradient_MD)
        found[f"variance_{name}"] = linear_transfer_variance(gradient_MD, np.eye(WIDTH) / WIDTH)
    return found


@mpl.rc_context(_LOOK)
def figure(order_rows: Sequence[Row], transfer_rows: Sequence[Row]) -> bytes:
    """Return the two panels as SVG."""
    sheet: Any = Figure(figsize=(11, 4.4), layout="constrained")
    FigureCanvasAgg(sheet)
    left, right = sheet.subplots(1, 2)
    _draw_ordering(left, order_rows)
    _draw_transfer(right, transfer_rows)
    svg = io.BytesIO()
    sheet.savefig(svg, format="svg", metadata={"Date": None, "Creator": "farsighted"})
    return svg.getvalue()


def table(rows: Sequence[Row]) -> str:
    """Return rows as a table in Markdown."""
    lines = [list(rows[0]), ["---:"] * len(rows[0]), *([_shown(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main(arguments: list[str] | None = None) -> None:
    """Run both experiments, write what was found and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder that the files are written to")
    parser.add_argument(
        "--problems", type=int, default=20_000, help="pairs of random tasks and sets, and of random spectra"
    )
    parser.add_argument("--directions", type=int, default=200_000, help="future directions drawn for Monte Carlo")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    streams = [np.random.default_rng(part) for part in np.random.SeedSequence(options.seed).spawn(3)]
    order_rows = ordering(streams[0], options.problems)
    transfer_rows = transfer(streams[1], options.directions)
    agreeing = check_concentration(streams[2], options.problems, WIDTH)
    found = {
        "seed": options.seed,
        "ordering": order_rows,
        "counterexample": counterexample(),
        "turned_round": turned_round(),
        "transfer": transfer_rows,
        "futures": summary(transfer_rows),
        "monte_carlo_largest_deviation_in_standard_errors": max(abs(row["deviation"]) for row in transfer_rows),
        "critical_angle_degrees": float(np.rad2deg(np.arccos(1 / np.sqrt(WIDTH)))),
        "random_spectra": {
            "pairs": agreeing.cases,
            "larger_concentration_larger_variance": agreeing.value,
            **asdict(agreeing.interval),
            "against": agreeing.cases - agreeing.hits,
        },
    }
    _write(options.out, found)
    _tell(found)


def _ordering_row(check: OrderCheck, always_P: np.ndarray) -> Row:
    wrong_P = check.paired_P & ~check.right_P
    return {
        "step_size": check.step_size,
        "pairs": check.predicted.cases,
        "predicted": check.predicted.value,
        **asdict(check.predicted.interval),
        "counterexamples": check.counterexamples,
        "opposed": int(check.opposed_P.sum()),
        "unopposed_counterexamples": int((wrong_P & ~check.opposed_P).sum()),
        "pairs_of_every_step": int(always_P.sum()),
        "predicted_of_these": float(check.right_P[always_P].mean()) if always_P.any() else None,
        "gain_error": check.gain_error,
        "residual": check.residual,
    }


def _received(
    name: str, basis_DD: np.ndarray, direction_FD: np.ndarray, moments_of: Callable[[np.ndarray], Moments]
) -> list[Row]:
    rows = []
    for share in SHARES:
        gradient_MD = gradients_of(spiked_spectrum(share, WIDTH), basis_DD)
        received_F = squared_projection(gradient_MD, direction_FD)
        mean, variance = moments_of(gradient_MD.T @ gradient_MD / len(gradient_MD))
        drawn = variance_estimate(received_F)
        constant = drawn.value < 1e-20  # on the sphere a flat spectrum gives every direction the same, up to rounding
        row: Row = {"future": name, "concentration": update_concentration(gradient_MD), "mean": mean}
        row |= {"variance": 0.0 if constant else variance}
        row |= {"monte_carlo": drawn.value, "standard_error": drawn.standard_error}
        row |= {"deviation": 0.0 if constant else (drawn.value - variance) / drawn.standard_error}
        row |= {"relative_sd": float(np.sqrt(row["variance"]) / mean)}
        rows.append(row | {"below_half_mean": float((received_F < mean / 2).mean())})
    return rows


def _draw_ordering(axes: Any, rows: Sequence[Row]) -> None:
    axes.set_title("(a) Proposition 1: does the linear term tell the order?")
    axes.set_xlabel("Step size η, in units of 1/λmax")
    axes.set_ylabel("Share of pairs ordered as stated")
    step = [row["step_size"] for row in rows]
    share = np.array([row["predicted"] for row in rows])
    reach = [share - [row["low"] for row in rows], [row["high"] for row in rows] - share]
    axes.errorbar(step, share, yerr=np.maximum(reach, 0), color=RISES, marker="o", ms=4, capsize=3, lw=1.6)
    rest = [row["predicted_of_these"] for row in rows]
    axes.plot(step, rest, color=FALLS, marker="^", ms=4, mfc="white", ls=(0, (4, 2)), lw=1.2)
    axes.axhline(0.5, color=FAINT, lw=0.8, ls=":")
    axes.set_xscale("log")
    axes.set_ylim(0.45, 1.02)
    axes.text(0.03, 0.40, "all pairs of equal current gain, 95 %", color=RISES, transform=axes.transAxes)
    axes.text(0.03, 0.33, "pairs that exist at every step size", color=FALLS, transform=axes.transAxes)
    axes.text(0.03, 0.11, "chance", color=FAINT, transform=axes.transAxes)


def _draw_transfer(axes: Any, rows: Sequence[Row]) -> None:
    axes.set_title("(b) B.2: variance of transfer at equal trace")
    axes.set_xlabel("Update concentration C(S)")
    axes.set_ylabel("Variance ÷ that of a flat spectrum")
    axes.set_yscale("log")
    fine = np.linspace(1 / WIDTH, 0.9, 200)
    bounds = [square_bounds(share, WIDTH) for share in fine]
    low, high = ([WIDTH * getattr(bound, side) for bound in bounds] for side in ("low", "high"))
    axes.fill_between(fine, low, high, color=INK, alpha=0.12, lw=0)
    for name, colour in zip(FUTURES, _COLOURS, strict=True):
        own = [row for row in rows if row["future"] == name]
        share, flat = [row["concentration"] for row in own], own[0]["variance"]
        axes.plot(share, [row["variance"] / flat for row in own], color=colour, lw=1.6)
        reach = [2 * row["standard_error"] / flat for row in own]
        drawn = [row["monte_carlo"] / flat for row in own]
        axes.errorbar(share, drawn, yerr=reach, color=colour, marker="o", ms=3.5, mfc="white", ls="none", lw=1)
        axes.annotate(name, (share[-1], drawn[-1]), (6, 0), textcoords="offset points", va="center", color=colour)
    axes.set_xlim(0, 1.4)
    axes.set_xticks(np.arange(0, 1.01, 0.2))
    says = "lines: closed form; points: Monte Carlo\nband: all spectra of that C, broad future"
    axes.text(0.02, 0.03, says, color=FAINT, transform=axes.transAxes)


def _shown(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else "" if value is None else str(value)


def _write(out: Path, found: Row) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "theory.json").write_text(
        json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    (out / "transfer.svg").write_bytes(figure(found["ordering"], found["transfer"]))
    for name in ("ordering", "transfer"):
        with (out / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(found[name][0]))
            writer.writeheader()
            writer.writerows(found[name])


def _tell(found: Row) -> None:
    for name in ("ordering", "futures", "transfer"):
        _log.info("%s\n\n%s\n", name, table(found[name]))
    for name in ("counterexample", "turned_round", "random_spectra"):
        _log.info("%s\n\n%s\n", name, table([found[name]]))
    for name in ("monte_carlo_largest_deviation_in_standard_errors", "critical_angle_degrees"):
        _log.info("%s: %s", name, _shown(found[name]))


if __name__ == "__main__":
    main()
