"""The README's chart and table, from a saved run: ``readme.py results/run.json``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import charts
import record
from charts import GROUPS, by_case, fastest, fastmlps
from measure import Timing, geometric_mean
from record import Run
from report import best_peer, in_units, times

CHART = Path(__file__).parents[1] / "docs" / "benchmark.png"


def row(
    case: str, one: list[Timing], more: list[Timing] | None, groups: list[str]
) -> str:
    """Return a case's line: fewest threads against all, then more threads."""
    ours = fastmlps(one)
    cells = [
        f"{case}: {ours.case}",
        f"**{in_units(ours.best)}**",
        f"{ours.fraction:.0%}",
    ]
    for group in groups:
        peer = fastest(one, group)
        cells.append(times(peer.ratio(ours)) if peer else "")
    if more:
        with_more = fastmlps(more)
        cells.append(times(ours.ratio(with_more)))
        peer = best_peer(more, with_more)
        cells.append(f"{times(peer.ratio(with_more))} ({peer.peer})" if peer else "")
    return f"| {' | '.join(cells)} |"


def mean_row(cases: dict[str, list[Timing]], groups: list[str], n_cells: int) -> str:
    cells = ["geometric mean", "", ""]
    for group in groups:
        pairs = [
            (fastest(timings, group), fastmlps(timings)) for timings in cases.values()
        ]
        ratios = [peer.ratio(ours) for peer, ours in pairs if peer]
        cells.append(times(geometric_mean(ratios)) if ratios else "")
    return f"| {' | '.join([*cells, *[''] * (n_cells - len(cells))])} |"


def table(run: Run) -> Iterator[str]:
    """Yield the table's lines and the note below."""
    threads = sorted({t.n_threads for t in run.of("train")})
    one, more = by_case(run, threads[0]), by_case(run, threads[-1])
    groups = [g for g in GROUPS if any(fastest(ts, g) for ts in one.values())]
    header = ["rows x network, batch", "fastmlp", "of peak", *groups]
    if len(threads) > 1:
        header += [f"{threads[-1]} threads", f"best peer, {threads[-1]} threads"]
    yield f"| {' | '.join(header)} |"
    yield f"| {' | '.join(['---', *['--:'] * (len(header) - 1)])} |"
    for case, timings in one.items():
        others = more.get(case) if len(threads) > 1 else None
        yield row(case, timings, others, groups)
    yield mean_row(one, groups, len(header))
    first = next(t for t in run.timings if t.kind == "train")
    took_part = {t.peer for t in run.timings}
    pytorch = [name for name in GROUPS["PyTorch"] if name in took_part]
    which = f"; PyTorch is {' or '.join(pytorch)}" if pytorch else ""
    yield ""
    yield (
        f"Time per epoch of `fit` with {threads[0]} thread(s), everything included; best "
        f"of {len(first.seconds)} interleaved rounds; for the peers, how many times "
        f"fastmlp's{which}. "
        f"{record.describe(run.machine)}."
    )


def write(run: Run) -> None:
    """Write the chart; print the Markdown."""
    print(f"Saved {charts.draw_relative(run, CHART)}\n")
    print(*table(run), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run.json, saved by run.py")
    write(record.load(parser.parse_args().run))


if __name__ == "__main__":
    main()
