"""Time fastmlp beside NumPy and scikit-learn: ``python bench/run.py --threads 1 2``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import environment
import report
import small
from cases import CASES, SMALL_CASES
from measure import Disagreement, check, compare
from peers import DEFAULT_PEERS, PEERS


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    names = [*CASES, *SMALL_CASES]
    add("--cases", nargs="+", choices=names, default=names, metavar="CASE")
    add("--peers", nargs="+", choices=PEERS, default=DEFAULT_PEERS, metavar="PEER")
    add("--all-peers", action="store_true", help="float64 and unshuffled work as well")
    add("--threads", nargs="+", type=int, default=[1, 2], metavar="N")
    add("--rounds", type=int, default=7)
    add("--keep-environment", action="store_true", help="keep OPENBLAS_*, OMP_*, ...")
    add("--out", type=Path, default=Path(__file__).parent / "results")
    add("--markdown", action="store_true", help="print the README's table at the end")
    return parser.parse_args()


def show_epochs(names: list[str], options: argparse.Namespace) -> None:
    """Time epochs of whole fits; print, save and plot them."""
    peers = [PEERS[name] for name in (PEERS if options.all_peers else options.peers)]
    print("Loss of the last epoch, from the same start:")
    print(f"{'case':6} {'threads':>7}", *(f"{peer.name:>18}" for peer in peers))
    for name in names:
        for n_threads in options.threads:
            curves = check(CASES[name], peers, n_threads)
            last = (f"{curves[peer.name][-1]:18.8f}" for peer in peers)
            print(f"{name:6} {n_threads:7}", *last, flush=True)

    print(f"\nTime per epoch (median of {options.rounds} interleaved rounds):")
    print(report.HEADER)
    timings = []
    for name in names:
        for n_threads in options.threads:
            new = compare(CASES[name], peers, n_threads, options.rounds)
            print(*report.lines(new), sep="\n", flush=True)
            timings += new

    machine = report.machine()
    print(f"\nSaved {report.save(timings, machine, options.out)}")
    try:
        print(f"Saved {report.plot(timings, machine, options.out)}")
    except ModuleNotFoundError as error:
        print(f"No plot: {error}")
    if options.markdown:
        print("\n" + report.markdown(timings, machine))


def show_calls(names: list[str], options: argparse.Namespace) -> None:
    """Time single calls on little data; print them."""
    n_threads = min(options.threads)
    print(f"\nTime per call, float64, threads: {n_threads} ({options.rounds} rounds):")
    print(small.HEADER)
    for line in small.lines(names, n_threads, options.rounds):
        print(line, flush=True)


def main() -> None:
    options = arguments()
    print(report.describe(report.machine()))
    print(f"variables dropped: {environment.dropped or 'none'}\n")
    try:
        if names := [name for name in options.cases if name in CASES]:
            show_epochs(names, options)
        if names := [name for name in options.cases if name in SMALL_CASES]:
            show_calls(names, options)
    except Disagreement as error:
        sys.exit(f"not the same work, so nothing to compare. {error}")


if __name__ == "__main__":
    main()
