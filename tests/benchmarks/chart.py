"""Draw the table as a chart."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.rows import Row


def draw(rows: list[Row], path: Path) -> None:
    """Draw our speed relative to each peer as a PNG."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and seldom needed

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    shown = [
        row for row in rows if row.unit == "s" and "CPU" not in row.what and "cost" not in row.what and row.is_floor
    ]
    figure, axes = plt.subplots(figsize=(9, 0.36 * len(shown) + 1.2), layout="constrained")
    labels = [f"{row.what}  /  {row.peer_name}" for row in shown]
    axes.barh(labels, [row.ratio for row in shown], color="#3b7dd8", height=0.6)
    axes.axvline(1.0, color="#444444", linewidth=1)
    for index, row in enumerate(shown):
        axes.text(row.ratio, index, f" {row.ratio:.2f}", va="center", fontsize=8)
        if row.target is not None:
            axes.plot([row.target] * 2, [index - 0.4, index + 0.4], color="#d04a35", linewidth=2)
    axes.invert_yaxis()
    axes.set_xlabel("speed of impact-jobs / speed of the peer (red: the target)")
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
