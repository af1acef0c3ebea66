"""The pictures: one of a whole run, one for the README, one of scaling; needs matplotlib."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

import record
from measure import Timing
from peers import PEERS
from record import Run

COLUMNS = 5
OURS, LIMIT = "#c44e00", "#333333"
# What a reader chooses between; of several configurations, the fastest counts.
GROUPS = {
    "scikit-learn": ("sklearn",),
    "PyTorch": ("torch", "torch-mkl"),
    "NumPy": ("numpy",),
    "torch.compile": ("torch-compile",),
    "JAX": ("jax",),
}
COLOURS = ("#9ecae1", "#74c476", "#bdbdbd", "#31a354", "#9e9ac8")
BY_THREADS = ("#9ecae1", "#4292c6", "#08519c")
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")  # 0.1 1 10, not 10^-1 ...


def fastest(timings: list[Timing], group: str) -> Timing | None:
    """Return the best of the group's timings among those of one case."""
    found = [t for t in timings if t.peer in GROUPS[group]]
    return min(found, key=lambda t: t.best, default=None)


def by_case(run: Run, n_threads: int) -> dict[str, list[Timing]]:
    """Return the trainings with so many threads, by case, where fastmlp took part."""
    found: dict[str, list[Timing]] = {}
    for t in run.of("train"):
        if t.n_threads == n_threads:
            found.setdefault(t.case.name, []).append(t)
    return {
        name: timings
        for name, timings in found.items()
        if any(t.peer == "fastmlp" for t in timings)
    }


def fastmlps(timings: list[Timing]) -> Timing:
    return next(t for t in timings if t.peer == "fastmlp")


def plain_log(axis: Axis) -> None:
    """Make the axis logarithmic, with plain numbers at 1, 2, 5, 10, ..."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(PLAIN)
    axis.set_minor_formatter(NullFormatter())


def draw_run(run: Run, path: Path) -> Path:
    """Draw best times with medians on top, one panel per case, one bar per peer."""
    names = list(dict.fromkeys(t.case.name for t in run.timings))
    threads = sorted({t.n_threads for t in run.timings})
    rows = -(-len(names) // COLUMNS)
    figure, panels = plt.subplots(
        rows,
        COLUMNS,
        figsize=(3.4 * COLUMNS, 3.6 * rows),
        squeeze=False,
        layout="tight",
    )
    for panel in panels.flat[len(names) :]:
        panel.axis("off")
    for panel, name in zip(panels.flat, names, strict=False):
        mine = [t for t in run.timings if t.case.name == name]
        mine.sort(key=lambda t: t.n_threads)
        for i, t in enumerate(mine):
            colour = BY_THREADS[threads.index(t.n_threads) % len(BY_THREADS)]
            colour = OURS if t.peer.startswith("fastmlp") else colour
            panel.bar(i, t.best * 1e3, color=colour)
            panel.plot([i - 0.4, i + 0.4], [t.median * 1e3] * 2, color=LIMIT, lw=1)
        labels = [f"{t.peer}, {t.n_threads}" for t in mine]
        panel.set_xticks(range(len(mine)), labels, rotation=90, fontsize=6)
        plain_log(panel.yaxis)
        case = next((t.case for t in mine if t.peer == "fastmlp"), mine[0].case)
        panel.set_title(f"{name}\n{case}", fontsize="x-small")
    panels[0][0].set_ylabel("ms; bars: best, lines: median")
    figure.text(0.5, 0.0, record.describe(run.machine), ha="center", fontsize=5)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def draw_relative(run: Run, path: Path) -> Path:
    """Draw each library's best time as a multiple of fastmlp's, one group per case."""
    n_threads = min(t.n_threads for t in run.of("train"))
    cases = by_case(run, n_threads)
    figure, panel = plt.subplots(figsize=(10, 3.8), layout="constrained")
    width = 0.85 / len(GROUPS)
    for j, group in enumerate(GROUPS):
        bars = [
            (i + (j - (len(GROUPS) - 1) / 2) * width, found.ratio(fastmlps(timings)))
            for i, timings in enumerate(cases.values())
            if (found := fastest(timings, group))
        ]
        if bars:
            panel.bar(*zip(*bars, strict=True), width, label=group, color=COLOURS[j])
    ends = (-0.5, len(cases) - 0.5)
    panel.plot(ends, (1, 1), color=OURS, lw=2, label="fastmlp")
    for i, timings in enumerate(cases.values()):
        limit = [fastmlps(timings).fraction] * 2
        label = "limit of the processor" if i == 0 else None
        panel.plot((i - 0.43, i + 0.43), limit, color=LIMIT, lw=1.5, label=label)
    panel.set(xlim=ends, ylabel="time per epoch / fastmlp's")
    plain_log(panel.yaxis)
    panel.set_xticks(range(len(cases)), cases, rotation=30, ha="right")
    threads = "one thread" if n_threads == 1 else f"{n_threads} threads"
    title = f"{run.machine['processor']}, {threads}: less is faster"
    place = {"loc": "outside upper center", "ncols": len(GROUPS) + 2}
    figure.legend(**place, fontsize=8, frameon=False, title=title)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return path


def draw_scaling(sweeps: dict[str, dict[float, list[Timing]]], path: Path) -> Path:
    """Draw time per epoch against size, a panel per sweep, with the limit dashed."""
    figure, panels = plt.subplots(
        1, len(sweeps), figsize=(3.4 * len(sweeps), 3.4), squeeze=False, layout="tight"
    )
    for panel, (name, sizes) in zip(panels[0], sweeps.items(), strict=True):
        curves: dict[str, list[tuple[float, float]]] = {}
        limits: dict[str, list[tuple[float, float]]] = {}
        for size, timings in sizes.items():
            for t in timings:
                n = "" if name.startswith("threads") else f", {t.n_threads}"
                curves.setdefault(f"{PEERS[t.peer].label}{n}", []).append(
                    (size, t.best * 1e3)
                )
                if t.peer == "fastmlp":
                    limit = t.best * 1e3 * t.fraction
                    limits.setdefault(f"limit{n}", []).append((size, limit))
        for label, points in curves.items():
            panel.plot(*zip(*points, strict=True), marker="o", ms=3, label=label)
        for label, points in limits.items():
            panel.plot(*zip(*points, strict=True), "--", color=LIMIT, lw=1, label=label)
        panel.set_xlabel(name)
        panel.set(xscale="log", xticks=[*sizes], xticklabels=[*sizes])
        panel.xaxis.set_minor_locator(NullLocator())
        plain_log(panel.yaxis)
        panel.legend(fontsize=6)
    panels[0][0].set_ylabel("ms per epoch")
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
