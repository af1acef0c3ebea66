"""Time fastmlp beside NumPy and scikit-learn: ``python bench/run.py --threads 1 2``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import environment
import report
from cases import CASES
from measure import Disagreement, check, compare
from peers import DEFAULT_PEERS, PEERS


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    add("--peers", nargs="+", choices=PEERS, default=DEFAULT_PEERS, metavar="PEER")
    add("--all-peers", action="store_true", help="float64 and unshuffled work as well")
    add("--threads", nargs="+", type=int, default=[1, 2], metavar="N")
    add("--rounds", type=int, default=7)
    add("--keep-environment", action="store_true", help="keep OPENBLAS_*, OMP_*, ...")
    add("--out", type=Path, default=Path(__file__).parent / "results")
    add("--markdown", action="store_true", help="print the README's table at the end")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    peers = [PEERS[name] for name in (PEERS if options.all_peers else options.peers)]
    machine = report.machine()
    print(report.describe(machine))
    print(f"variables dropped: {environment.dropped or 'none'}\n")

    print("Loss of the last epoch, from the same start:")
    print(f"{'case':6} {'threads':>7}", *(f"{peer.name:>18}" for peer in peers))
    for name in options.cases:
        for n_threads in options.threads:
            try:
                curves = check(CASES[name], peers, n_threads)
            except Disagreement as error:
                sys.exit(f"not the same work, so nothing to compare. {error}")
            last = (f"{curves[peer.name][-1]:18.8f}" for peer in peers)
            print(f"{name:6} {n_threads:7}", *last, flush=True)

    print(f"\nTime per epoch (median of {options.rounds} interleaved rounds):")
    print(report.HEADER)
    timings = []
    for name in options.cases:
        for n_threads in options.threads:
            new = compare(CASES[name], peers, n_threads, options.rounds)
            print(*report.lines(new), sep="\n", flush=True)
            timings += new

    print(f"\nSaved {report.save(timings, machine, options.out)}")
    try:
        print(f"Saved {report.plot(timings, machine, options.out)}")
    except ModuleNotFoundError as error:
        print(f"No plot: {error}")
    if options.markdown:
        print("\n" + report.markdown(timings, machine))


if __name__ == "__main__":
    main()
