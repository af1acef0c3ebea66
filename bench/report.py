"""What run.py prints: a table for each case, then the summary, lost cases included."""

from __future__ import annotations

import math
from collections.abc import Iterator

from measure import Timing, geometric_mean
from peers import PEERS
from record import Run

HEADER = (
    f"  {'threads':>7}  {'peer':18} {'best':>9} {'median':>9} {'quartiles':>19} "
    f"{'cores':>5} {'GFLOP/s':>8} {'of peak':>7} {'x best':>7} {'x median':>8}"
)


def in_units(seconds: float) -> str:
    """Write a time with three digits and its unit."""
    scale, unit = (1e6, "us") if seconds < 1e-3 else (1e3, "ms")
    value = seconds * scale
    digits = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:.{digits}f} {unit}"


def times(ratio: float) -> str:
    """Write a ratio with the digits that matter near 1."""
    return f"{ratio:.2f}x" if ratio < 2 else f"{ratio:.1f}x"


def ours(timings: list[Timing], t: Timing) -> Timing | None:
    """Return fastmlp's timing of the same work with the same threads.

    Where fastmlp offers two ways, as for predictions, the plain method counts.
    """
    for other in timings:
        same = other.case.name == t.case.name and other.n_threads == t.n_threads
        if other.peer == "fastmlp" and same:
            return other
    return None


def best_peer(timings: list[Timing], base: Timing) -> Timing | None:
    """Return the fastest other library at the same work, in the same precision."""
    others = [
        t
        for t in timings
        if t.case.name == base.case.name
        and t.n_threads == base.n_threads
        and t.case.dtype == base.case.dtype
        and "fastmlp" not in PEERS[t.peer].packages
    ]
    return min(others, key=lambda t: t.best, default=None)


def lines(timings: list[Timing]) -> Iterator[str]:
    """Yield a line of each timing of one case."""
    for t in sorted(timings, key=lambda t: t.n_threads):
        base = ours(timings, t)
        low, high = (in_units(q) for q in t.quartiles)
        limit = f"{t.gflops:8.1f} {t.fraction:7.1%}" if t.flops else f"{'':16}"
        ratios = f"{t.ratio(base):7.2f} {t.median_ratio(base):8.2f}" if base else ""
        yield (
            f"  {t.n_threads:7}  {t.peer:18} {in_units(t.best):>9} "
            f"{in_units(t.median):>9} {low:>9} {high:>9} "
            f"{min(t.cores):5.2f} {limit} {ratios}"
        )


def verdicts(timings: list[Timing]) -> Iterator[str]:
    """Yield a line of each work that fastmlp did: against the limit and the best peer."""
    for t in timings:
        if t.peer not in ("fastmlp", "fastmlp-predictor"):
            continue
        peer = best_peer(timings, t)
        limit = f"{t.fraction:7.1%}" if t.flops else ""
        text = f"  {t.case.name:15} {t.n_threads:7}  {t.peer:18} {in_units(t.best):>9} {limit:>7}"
        if peer:
            text += (
                f"  {peer.ratio(t):6.2f}x {peer.median_ratio(t):6.2f}x  {peer.peer:18}"
            )
            text += " LOST" if peer.ratio(t) < 1 else ""
        yield text


def geometric_means(timings: list[Timing]) -> Iterator[str]:
    """Yield, for each peer and number of threads, the mean ratio over the cases."""
    for n_threads in sorted({t.n_threads for t in timings}):
        ratios: dict[str, list[float]] = {}
        for t in timings:
            base = ours(timings, t)
            if base and t.n_threads == n_threads and t.peer != "fastmlp":
                ratios.setdefault(t.peer, []).append(t.ratio(base))
                if t is best_peer(timings, base):
                    ratios.setdefault("the best peer", []).append(t.ratio(base))
        for peer, values in ratios.items():
            yield (
                f"  {n_threads:7}  {peer:18} {geometric_mean(values):7.2f}x over "
                f"{len(values):2} cases, {min(values):.2f}x to {max(values):.2f}x"
            )


def speed_ups(timings: list[Timing]) -> Iterator[str]:
    """Yield how many times faster each case is with more threads, by peer."""
    fewest = min(t.n_threads for t in timings)
    base = {(t.case, t.peer): t for t in timings if t.n_threads == fewest}
    lines: dict[tuple[str, int], str] = {}
    for t in timings:
        if t.n_threads > fewest and (t.case, t.peer) in base:
            ratio = base[t.case, t.peer].ratio(t)
            key = t.case.name, t.n_threads
            lines[key] = lines.get(key, "") + f"  {t.peer} {ratio:.2f}"
    for (case, n_threads), text in lines.items():
        yield f"  {case:15} {n_threads:7}{text}"


def summary(run: Run) -> Iterator[str]:
    """Yield the lines that follow the tables."""
    trainings, calls = run.of("train"), [t for t in run.timings if t.kind != "train"]
    title = (
        f"  {'case':15} {'threads':>7}  {'':18} {'best':>9} {'of peak':>7}  "
        f"{'best by best':>7} by medians  best peer"
    )
    if trainings:
        yield "\nAgainst the limit and the best peer, time per epoch:"
        yield title
        yield from verdicts(trainings)
        yield "\nGeometric means of the peers' times by fastmlp's:"
        yield from geometric_means(trainings)
        if more := list(speed_ups(trainings)):
            yield f"\nTimes faster than with {min(t.n_threads for t in trainings)}:"
            yield from more
    if calls:
        yield "\nSingle calls:"
        yield title
        yield from verdicts(calls)
    lost = [line for line in verdicts(run.timings) if line.endswith("LOST")]
    yield f"\nLost: {len(lost)}"
    yield from lost
    if run.failures:
        yield "\nCould not take part:"
    for failure in run.failures:
        yield f"  {' '.join(str(value) for value in failure.values())}"
