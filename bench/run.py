"""Time fastmlp beside its peers: ``python bench/run.py --threads 1 2``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import environment
import record
import report
from cases import CALLS, TRAININGS, Case
from fleet import Fleet, PeerFailed
from measure import check, measure
from peers import PEERS
from record import Run

RESULTS = Path(__file__).parent / "results"
SAMPLE_SECONDS = 0.2  # work is repeated until a sample lasts this long
QUICK = {
    "cases": ["tiny", "default", "row-tiny", "fit-150"],
    "peers": ["fastmlp", "fastmlp-predictor", "numpy", "sklearn"],
    "rounds": 2,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    names = [*TRAININGS, *CALLS]
    add("--cases", nargs="+", choices=names, metavar="CASE", help=", ".join(names))
    add("--peers", nargs="+", choices=PEERS, metavar="PEER", help=", ".join(PEERS))
    add("--threads", nargs="+", type=int, default=[1, 2], metavar="N")
    add(
        "--dtype", nargs="+", choices=("float32", "float64"), help="instead of a case's"
    )
    add("--rounds", type=int)
    add("--quick", action="store_true", help="a few cases and peers, two short rounds")
    add("--keep-environment", action="store_true", help="keep OPENBLAS_*, OMP_*, ...")
    add("--output", type=Path, default=RESULTS, help="folder of run.json and run.png")
    add(
        "--readme",
        action="store_true",
        help="write the README's chart, print its table",
    )
    options = parser.parse_args()
    defaults = (
        QUICK if options.quick else {"cases": names, "peers": [*PEERS], "rounds": 5}
    )
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def works(options: argparse.Namespace) -> Iterator[tuple[Case, str]]:
    """Yield the cases that were chosen, each with what is done."""
    for name in options.cases:
        case, kind = CALLS.get(name) or (TRAININGS[name], "train")
        for dtype in options.dtype or [case.dtype]:
            other = dtype != case.dtype
            new_name = f"{name}-{dtype}" if other else name
            if other and (new_name in TRAININGS or dtype in name):
                continue  # a case of its own
            yield replace(case, name=new_name, dtype=dtype) if other else case, kind


def available(names: list[str], run: Run) -> list[str]:
    """Return the peers that can run here, fastmlp always; record why others cannot."""
    found = []
    for name in dict.fromkeys(["fastmlp", *names]):
        if reason := PEERS[name].missing():
            run.failures.append({"peer": name, "reason": reason})
        else:
            found.append(name)
    return found


def one_work(
    fleet: Fleet, case: Case, kind: str, peers: list[str], options: argparse.Namespace
) -> list:
    """Check and time one case; print its table."""
    seats = [
        (p, n) for n in options.threads for p in peers if PEERS[p].runs(case, kind)
    ]
    print(f"\n{case.name}: {kind}, {case}", flush=True)
    seats = check(fleet, case, kind, seats)
    seconds = SAMPLE_SECONDS / 4 if options.quick else SAMPLE_SECONDS
    timings = measure(fleet, case, kind, seats, options.rounds, seconds)
    print(report.HEADER, *report.lines(timings), sep="\n", flush=True)
    return timings


def show_pictures(run: Run, options: argparse.Namespace) -> None:
    try:
        import charts
    except ModuleNotFoundError as error:
        print(f"No charts: {error}")
        return
    print(f"Saved {charts.draw_run(run, options.output / 'run.png')}")
    if options.readme:
        import readme

        readme.write(run)


def main() -> None:
    options = arguments()
    run = Run(record.machine())
    print(record.describe(run.machine))
    print(f"variables dropped: {environment.dropped or 'none'}")
    with closing(Fleet()) as fleet:
        peers = available(options.peers, run)
        for case, kind in works(options):
            try:
                run.timings += one_work(fleet, case, kind, peers, options)
            except PeerFailed as error:
                print(f"  NOT TIMED: {error}")
                fleet.failed(case, "fastmlp", None, error)
        for (name, peer, n_threads), reason in fleet.failures.items():
            run.failures.append(
                {"case": name, "peer": peer, "threads": n_threads, "reason": reason}
            )
    print(*report.summary(run), sep="\n")
    print(f"\nSaved {record.save(run, options.output / 'run.json')}")
    show_pictures(run, options)
    sys.exit(1 if fleet.failures else 0)


if __name__ == "__main__":
    main()
