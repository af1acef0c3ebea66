"""The protocol: same answers first, then A B A B, with the peak measured in between."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from cases import Case
from fleet import Fleet, PeerFailed
from peers import PEERS

# Of every answer and every epoch's mean loss, relative. torch's Adam adds epsilon to
# another form of the same root, so its losses differ a little in float64 too.
TOLERANCE = {"float32": 5e-3, "float64": 1e-8}
OTHER_EPSILON = ("torch", "torch-mkl")
# In addition, of later epochs' losses in float32, relative to the first: rounding errors
# grow, and small losses are differences of large numbers.
TOLERANCE_LATER = 3e-3
COMPARED_EPOCHS = 5  # after more, rounding errors have grown into other trainings
PAUSE_SECONDS = 0.1  # before samples: idle threads of the last peer go to sleep
PEAK_SECONDS = 0.1

Seat = tuple[str, int]  # a peer and its number of threads


@dataclass
class Timing:
    """One peer at one work with one number of threads."""

    case: Case  # as the peer runs it
    kind: str
    peer: str
    n_threads: int
    seconds: list[float] = field(default_factory=list)  # per epoch or call, by round
    cores: list[float] = field(default_factory=list)  # CPU time by wall time
    peaks: list[float] = field(default_factory=list)  # FMA GFLOP/s, around the rounds

    @property
    def best(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        low, high = np.percentile(self.seconds, [25, 75])
        return float(low), float(high)

    @property
    def flops(self) -> int:
        if self.kind == "train":
            return self.case.training_flops
        if self.kind != "predict" or self.case.is_sparse:
            return 0
        return 2 * self.case.rows * self.case.weights

    @property
    def gflops(self) -> float:
        return self.flops / self.best / 1e9

    @property
    def fraction(self) -> float:
        """Of the peak: the best sample beside the best peak of these very rounds."""
        return self.gflops / max(self.peaks)

    def ratio(self, base: Timing) -> float:
        """How many times slower than `base`, best by best."""
        return self.best / base.best

    def median_ratio(self, base: Timing) -> float:
        """How many times slower than `base`: the median over rounds, each paired."""
        return median(a / b for a, b in zip(self.seconds, base.seconds, strict=True))


class Disagreement(Exception):
    """A peer did not compute the same thing, so that its time means nothing."""


def compare(peer: str, case: Case, kind: str, a: np.ndarray, b: np.ndarray) -> None:
    """Raise Disagreement unless a, the peer's answer, is b, fastmlp's."""
    precision = "float32" if peer in OTHER_EPSILON else case.dtype
    if a.shape != b.shape:
        raise Disagreement(f"results of shape {a.shape}, not {b.shape}")
    if kind == "train":
        a, b = a[:COMPARED_EPOCHS], b[:COMPARED_EPOCHS]
    limits = TOLERANCE[precision] * np.abs(b)
    if kind == "train" and precision == "float32":
        limits[1:] += TOLERANCE_LATER * b[0]
    if not np.all(np.abs(a - b) <= limits):
        error = np.max(np.abs(a - b) / np.abs(b))
        raise Disagreement(f"results differ from fastmlp's by up to {error:.2g}")


def check(fleet: Fleet, case: Case, kind: str, seats: list[Seat]) -> list[Seat]:
    """Return the seats whose peers do this work; it warms them up too.

    Each must give what fastmlp gives from the same start with the same order of rows.
    Peers that do not, or fail, are left out, with the reason.
    """
    expected: dict[Case, np.ndarray] = {}
    good = set()
    # The case itself comes last, so that fastmlp has just run it when timing begins.
    for peer, n_threads in sorted(seats, key=lambda seat: not PEERS[seat[0]].changes):
        theirs = PEERS[peer].case(case)
        if theirs not in expected:
            reference = fleet.worker("fastmlp", n_threads, theirs)
            expected[theirs] = reference.ask("answer", kind)
        try:
            answer = fleet.worker(peer, n_threads, case).ask("answer", kind)
            compare(peer, theirs, kind, answer, expected[theirs])
        except (Disagreement, PeerFailed) as reason:
            fleet.failed(case, peer, n_threads, reason)
            print(f"  {n_threads:7}  {peer} LEFT OUT: {reason}", flush=True)
            continue
        good.add((peer, n_threads))
    return [seat for seat in seats if seat in good]


def measure(
    fleet: Fleet,
    case: Case,
    kind: str,
    seats: list[Seat],
    rounds: int,
    at_least: float,
) -> list[Timing]:
    """Time the seats A B A B, beginning each round with the next one."""
    timings = [Timing(PEERS[p].case(case), kind, p, n) for p, n in seats]
    peaks = [measure_peaks(timings)]
    for i in range(rounds):
        first = i % max(1, len(timings))
        for timing in timings[first:] + timings[:first]:
            try:
                take_sample(fleet, case, timing, at_least)
            except PeerFailed as reason:
                fleet.failed(case, timing.peer, timing.n_threads, reason)
        timings = [timing for timing in timings if len(timing.seconds) == i + 1]
        peaks.append(measure_peaks(timings))
    for timing in timings:
        timing.peaks = [peak[timing.case.dtype, timing.n_threads] for peak in peaks]
    return timings


def take_sample(fleet: Fleet, case: Case, timing: Timing, at_least: float) -> None:
    worker = fleet.worker(timing.peer, timing.n_threads, case)
    time.sleep(PAUSE_SECONDS)
    seconds, cores = worker.ask("sample", timing.kind, at_least)
    timing.seconds.append(seconds)
    timing.cores.append(cores)


def measure_peaks(timings: list[Timing]) -> dict[tuple[str, int], float]:
    """Return the FMA peak in GFLOP/s of each dtype and number of threads in use."""
    from fastmlp._core import fma_peak

    time.sleep(PAUSE_SECONDS)
    kinds = sorted({(t.case.dtype, t.n_threads) for t in timings})
    return {kind: fma_peak(*kind, PEAK_SECONDS) for kind in kinds}


def geometric_mean(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))
