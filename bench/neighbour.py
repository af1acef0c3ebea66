"""Trainings beside busy processes: ``python bench/neighbour.py``.

fit with its default number of threads, on an idle machine, beside one busy process that
holds a core, and beside one on every core; as ratios to one thread on the idle machine and
to its own idle time. All four take turns. A fit lasts about a second: the system spreads
new threads over busy cores only after a tenth of one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import environment  # noqa: F401  (before NumPy)
import record
from cases import TRAININGS, Case
from fleet import Fleet

RESULTS = Path(__file__).parent / "results"
SETTLE_SECONDS = 0.3  # from the neighbours' start to the sample's
FIT_FLOPS = 1e11  # at least, so that a fit lasts a second
# Never leaves the core to the kernel; ends when its parent does.
BUSY = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
parent = int(sys.argv[2])
while os.getppid() == parent:
    for _ in range(10**6):
        pass
"""
# name -> (threads, busy processes; None: all)
CONDITIONS = {
    "one thread, idle": (1, 0),
    "default, idle": (None, 0),
    "default, one busy": (None, 1),
    "default, all busy": (None, None),
}


@contextmanager
def neighbours(n: int | None) -> Iterator[None]:
    """Keep n cores busy, or all, each with a process of its own."""
    cores = sorted(os.sched_getaffinity(0))[:n]
    parent = str(os.getpid())
    running = [
        subprocess.Popen([sys.executable, "-c", BUSY, str(core), parent])
        for core in cores
    ]
    try:
        time.sleep(SETTLE_SECONDS)
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measure(fleet: Fleet, case: Case, rounds: int, at_least: float) -> dict[str, list]:
    """Return the seconds per epoch of each condition, by round."""
    samples: dict[str, list[float]] = {name: [] for name in CONDITIONS}
    for n_threads in (1, None):
        fleet.worker("fastmlp", n_threads, case).ask("sample", "train", at_least)
    names = list(CONDITIONS)
    for i in range(rounds):
        first = i % len(names)
        for name in names[first:] + names[:first]:
            n_threads, busy = CONDITIONS[name]
            worker = fleet.worker("fastmlp", n_threads, case)
            with neighbours(busy):
                seconds, _ = worker.ask("sample", "train", at_least)
            samples[name].append(seconds)
    return samples


def line(case: Case, samples: dict[str, list[float]]) -> str:
    one, idle, *rest = (median(seconds) for seconds in samples.values())
    cells = [f"{case.name:12} {one * 1e3:9.2f} {idle * 1e3:9.2f} {one / idle:8.2f}"]
    cells += [f"{t * 1e3:9.2f} {t / one:8.2f} {t / idle:8.2f}" for t in rest]
    return " ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--cases", nargs="+", choices=TRAININGS, default=[*TRAININGS], metavar="CASE")
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=0.5, help="length of a sample")
    add("--output", type=Path, default=RESULTS)
    options = parser.parse_args()

    print(f"Medians of {options.rounds} interleaved rounds, ms per epoch; of the busy:")
    print("ratios to one thread on the idle machine, and to its own idle time")
    heads = f"{'x1thr':>8} {'x idle':>8}"
    print(
        f"{'case':12} {'1 thread':>9} {'default':>9} {'speed-up':>8} "
        f"{'one busy':>9} {heads} {'all busy':>9} {heads}"
    )
    results = {}
    with closing(Fleet()) as fleet:
        for name in options.cases:
            case = TRAININGS[name]
            epochs = round(FIT_FLOPS / case.training_flops)
            case = replace(case, epochs=max(case.epochs, epochs))
            samples = measure(fleet, case, options.rounds, options.seconds)
            results[name] = samples
            print(line(case, samples), flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "neighbour.json"
    contents = {"machine": record.machine(), "seconds_per_epoch": results}
    path.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
    print(f"Saved {path}")


if __name__ == "__main__":
    main()
