"""A chart of requests against lateness, with one point per schedule."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks.waiting.measured import DEFAULT, Measured
from tests.benchmarks.waiting.simulate import Figures, Outcome, figures

_COLOURS = {"boto": "#d04a35", "Azure": "#8a5cc2", "Google": "#2f9e5b", "Databricks": "#e08a1e"}


def draw(measured: Measured, path: Path) -> None:
    """Draw our curve, the oracle's curve and the other clients' points as a PNG."""
    import matplotlib as mpl  # noqa: PLC0415 - slow, and rarely needed

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, both = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    for axes, what, label in zip(both, ("late", "late_p95"), ("mean", "95th percentile"), strict=True):
        _draw_curve(axes, measured.oracle.values(), what, "#999999", "the oracle (fixed schedule)")
        _draw_curve(axes, measured.curve.values(), what, "#3b7dd8", "ours, over request_cost")
        for knob in (0.25, DEFAULT, 4.0, 16.0, 64.0):
            point = figures(measured.curve[knob])
            name = f"  {knob:g} s (default)" if knob == DEFAULT else f"  {knob:g} s"
            axes.plot(
                point.requests, getattr(point, what), "o", color="#3b7dd8", markersize=9 if knob == DEFAULT else 6
            )
            axes.annotate(name, (point.requests, getattr(point, what)), fontsize=8, va="bottom")
        for peer, outcomes in measured.peers.items():
            point = figures(outcomes)
            axes.plot(point.requests, getattr(point, what), "D", color=_COLOURS[peer], label=peer)
        axes.set(xscale="log", yscale="log", xlabel="requests per job", ylabel=f"seconds late, {label}")
        ticks = [1, 1.5, 2, 3, 4, 6, 8]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.spines[["top", "right"]].set_visible(False)
    both[0].legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=110)


def _draw_curve(axes: Any, points: Iterable[list[Outcome]], what: str, colour: str, label: str) -> None:
    found: list[Figures] = [figures(outcomes) for outcomes in points]
    axes.plot([point.requests for point in found], [getattr(point, what) for point in found], color=colour, label=label)
