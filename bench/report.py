"""What run.py shows: a table, Markdown for the README, JSON and a plot."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import environment
from measure import Timing

PACKAGES = ("fastmlp", "numpy", "scipy", "scikit-learn")


def machine() -> dict[str, object]:
    """Return what the figures depend on: processor, level, versions."""
    from threadpoolctl import threadpool_info

    from fastmlp import _core

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(names) or None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "level": _core.level,
        "compiled_with": _core.compiled_with(),
        "blas": sorted(
            f"{info['internal_api']} {info['version']} {info.get('architecture', '')}"
            for info in threadpool_info()
            if info["user_api"] == "blas"
        ),
        "environment_dropped": environment.dropped,
        **{package: version(package) for package in PACKAGES},
    }


def describe(machine: dict[str, object]) -> str:
    versions = ", ".join(f"{package} {machine[package]}" for package in PACKAGES)
    return (
        f"{machine['processor']} ({machine['cores']} cores), level {machine['level']}, "
        f"Python {machine['python']}, {versions} ({'; '.join(machine['blas'])})"
    )


def bases(timings: list[Timing]) -> Iterator[tuple[Timing, Timing | None]]:
    """Pair each timing with fastmlp's on the very same work, where it was measured."""
    ours = {
        (t.case.name, t.n_threads, t.peer.work): t
        for t in timings
        if t.peer.library == "fastmlp"
    }
    for t in timings:
        yield t, ours.get((t.case.name, t.n_threads, t.peer.work))


HEADER = (
    f"{'case':6} {'threads':>7}  {'peer':18} {'ms/epoch':>9} {'min':>9} "
    f"{'quartiles':>19} {'x fastmlp':>9} {'GFLOP/s':>8} {'of peak':>7}"
)


def lines(timings: list[Timing]) -> Iterator[str]:
    for t, base in bases(timings):
        low, high = t.quartiles
        ratio = f"{t.ratio(base):.2f}" if base else ""
        yield (
            f"{t.case.name:6} {t.n_threads:7}  {t.peer.name:18} {t.median * 1e3:9.2f} "
            f"{min(t.seconds) * 1e3:9.2f} {low * 1e3:9.2f} {high * 1e3:9.2f} "
            f"{ratio:>9} {t.gflops:8.1f} {t.fraction:7.0%}"
        )


def markdown(timings: list[Timing], machine: dict[str, object]) -> str:
    """Return the README's table: one row of a case and number of threads."""
    by_row: dict[tuple[str, int], dict[str, Timing]] = {}
    for t in timings:
        by_row.setdefault((t.case.name, t.n_threads), {})[t.peer.name] = t
    table = [
        "| rows x network, batch | threads | fastmlp | NumPy | scikit-learn | GFLOP/s |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for row in by_row.values():
        if "fastmlp" not in row:
            continue
        ours = row["fastmlp"]
        cells = [str(ours.case), str(ours.n_threads), f"**{milliseconds(ours)}**"]
        for name in ("numpy", "sklearn"):
            peer = row.get(name)
            cells.append(
                f"{milliseconds(peer)} ({peer.ratio(ours):.1f}x)" if peer else ""
            )
        cells.append(f"{ours.gflops:.0f} ({ours.fraction:.0%} of peak)")
        table.append(f"| {' | '.join(cells)} |")
    rounds = len(timings[0].seconds)
    note = (
        f"Time per epoch of `fit`, float32, everything included; medians of {rounds} "
        "interleaved rounds; in brackets, how many times fastmlp's. "
        f"{describe(machine)}."
    )
    return "\n".join([*table, "", note])


def milliseconds(t: Timing) -> str:
    """Write the median with three digits."""
    value = t.median * 1e3
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f} ms"


def save(timings: list[Timing], machine: dict[str, object], folder: Path) -> Path:
    """Write every sample to JSON; return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    results = [
        {
            "case": t.case.name,
            "net": str(t.case),
            "peer": t.peer.name,
            "dtype": t.peer.dtype,
            "threads": t.n_threads,
            "seconds_per_epoch": t.seconds,
            "median": t.median,
            "gflops": t.gflops,
            "fma_peak_gflops": t.peaks,
            "fraction_of_peak": t.fraction,
        }
        for t in timings
    ]
    path = folder / "run.json"
    text = json.dumps({"machine": machine, "results": results}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def plot(timings: list[Timing], machine: dict[str, object], folder: Path) -> Path:
    """Draw milliseconds per epoch, one panel per case, one bar per peer."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    cases = list(dict.fromkeys(t.case for t in timings))
    peers = list(dict.fromkeys(t.peer.name for t in timings))
    colours = {name: f"C{i}" for i, name in enumerate(peers)}
    figure, panels = plt.subplots(
        1, len(cases), figsize=(3.2 * len(cases), 3.2), squeeze=False, layout="tight"
    )
    for panel, case in zip(panels[0], cases, strict=True):
        mine = [t for t in timings if t.case == case]
        for i, t in enumerate(mine):
            low, high = t.quartiles
            spread = [[(t.median - low) * 1e3], [(high - t.median) * 1e3]]
            panel.bar(
                i, t.median * 1e3, yerr=spread, capsize=3, color=colours[t.peer.name]
            )
        panel.set_xticks(
            range(len(mine)),
            [f"{t.peer.name}, {t.n_threads}" for t in mine],
            rotation=90,
        )
        panel.set_title(f"{case.name}\n{case}", fontsize="small")
    panels[0][0].set_ylabel("ms per epoch; peer, threads")
    figure.text(0.5, 0.0, describe(machine), ha="center", va="bottom", fontsize=5)
    path = folder / "run.png"
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path
