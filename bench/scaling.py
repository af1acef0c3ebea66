"""Cost against size, with the limit drawn in: ``python bench/scaling.py``."""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import environment  # noqa: F401  (before NumPy)
import record
import report
from cases import TRAININGS, Case
from fleet import Fleet
from measure import Timing, check, measure
from peers import PEERS
from record import Run

RESULTS = Path(__file__).parent / "results"
SAMPLE_SECONDS = 0.2
ROW_EPOCHS = 40_000  # a fit runs as many epochs as make so many rows
TAB = TRAININGS["tab"]


def sized(name: str, **changes) -> Case:
    case = replace(TAB, name=name, **changes)
    return replace(case, epochs=max(1, ROW_EPOCHS // case.rows))


SWEEPS = {
    "rows": {n: sized(f"rows-{n}", rows=n) for n in (500, 2000, 8000, 32_000, 128_000)},
    "width": {
        n: sized(f"width-{n}", hidden=(n, n), rows=10_000)
        for n in (8, 32, 128, 512, 2048)
    },
    "depth": {n: sized(f"depth-{n}", hidden=(128,) * n) for n in (1, 2, 4, 8, 16)},
    "batch": {n: sized(f"batch-{n}", batch=n) for n in (8, 32, 128, 512, 2048, 8192)},
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    choices = [*SWEEPS, "threads"]
    add("--sweeps", nargs="+", choices=choices, default=choices)
    add("--peers", nargs="+", choices=PEERS, default=["sklearn"], metavar="PEER")
    add("--threads", nargs="+", type=int, default=[1], help="of the other sweeps")
    add("--cases", nargs="+", default=["tab", "mid"], help="of the threads' sweep")
    add("--rounds", type=int, default=5)
    add("--output", type=Path, default=RESULTS)
    return parser.parse_args()


def thread_counts() -> list[int]:
    """Return 1, 2, 4, ... and all cores."""
    cores = len(os.sched_getaffinity(0))
    return sorted({*(2**i for i in range(cores.bit_length())), cores})


def sweep(
    fleet: Fleet, run: Run, options: argparse.Namespace
) -> dict[str, dict[float, list[Timing]]]:
    """Return each sweep's timings by size; print and record them."""
    wanted = dict.fromkeys(["fastmlp", *options.peers])
    peers = [name for name in wanted if not PEERS[name].missing()]

    def timed(case: Case, threads: list[int]) -> list[Timing]:
        seats = [(p, n) for n in threads for p in peers if PEERS[p].runs(case, "train")]
        seats = check(fleet, case, "train", seats)
        timings = measure(fleet, case, "train", seats, options.rounds, SAMPLE_SECONDS)
        print(f"\n{case.name}: {case}\n{report.HEADER}")
        print(*report.lines(timings), sep="\n", flush=True)
        run.timings.extend(timings)
        return timings

    sweeps = {
        name: {size: timed(case, options.threads) for size, case in sizes.items()}
        for name, sizes in SWEEPS.items()
        if name in options.sweeps
    }
    for name in options.cases if "threads" in options.sweeps else ():
        timings = timed(TRAININGS[name], thread_counts())
        sweeps[f"threads ({name})"] = {
            n: [t for t in timings if t.n_threads == n] for n in thread_counts()
        }
    return sweeps


def main() -> None:
    options = arguments()
    run = Run(record.machine())
    print(record.describe(run.machine))
    try:
        with closing(Fleet()) as fleet:
            sweeps = sweep(fleet, run, options)
    finally:  # what was timed before an error or Ctrl-C
        print(f"\nSaved {record.save(run, options.output / 'scaling.json')}")
    try:
        import charts
    except ModuleNotFoundError as error:
        print(f"No chart: {error}")
        return
    print(f"Saved {charts.draw_scaling(sweeps, options.output / 'scaling.png')}")


if __name__ == "__main__":
    main()
