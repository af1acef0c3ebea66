"""The protocol: same answers first, then whole fits, interleaved, in one process."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from cases import Case
from peers import Peer

TOLERANCE = {"float32": 2e-3, "float64": 1e-8}  # relative, of each epoch's loss
SAMPLE_SECONDS = 0.2  # fits are repeated until a sample lasts this long
PAUSE_SECONDS = 0.1  # between samples: idle threads of the last peer go to sleep


@dataclass
class Timing:
    """One peer on one case with one number of threads."""

    case: Case
    peer: Peer
    n_threads: int
    seconds: list[float] = field(default_factory=list)  # per epoch, one of each round
    peaks: list[float] = field(default_factory=list)  # FMA GFLOP/s, one of each round

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        low, high = np.percentile(self.seconds, [25, 75])
        return float(low), float(high)

    @property
    def gflops(self) -> float:
        return self.case.flops / self.median / 1e9

    @property
    def fraction(self) -> float:
        """Of the peak: the best that was measured, next to these very samples."""
        return self.gflops / max(self.peaks)

    def ratio(self, base: Timing) -> float:
        """How many times slower than `base`: the median over rounds, each paired."""
        return median(a / b for a, b in zip(self.seconds, base.seconds, strict=True))


class Disagreement(Exception):
    """Two peers did not compute the same thing, so that their times mean nothing."""


def check(case: Case, peers: list[Peer], n_threads: int) -> dict[str, list[float]]:
    """Train each peer once, which warms it up too; their losses must be the same."""
    curves: dict[str, list[float]] = {}
    for peer in peers:
        with threadpool_limits(n_threads, user_api="blas"):
            curves[peer.name] = peer.train(case, *case.data(peer.dtype), n_threads)
    for i, one in enumerate(peers):
        for other in peers[:i]:
            if one.shuffle != other.shuffle:
                continue
            tolerance = max(TOLERANCE[one.dtype], TOLERANCE[other.dtype])
            a, b = curves[one.name], curves[other.name]
            if len(a) != len(b) or not np.allclose(a, b, rtol=tolerance, atol=0):
                msg = (
                    f"{case.name}: {one.name} and {other.name} differ by more than "
                    f"{tolerance} in the loss of some epoch:\n  {a}\n  {b}"
                )
                raise Disagreement(msg)
    return curves


def time_epochs(
    case: Case, peer: Peer, x: np.ndarray, y: np.ndarray, n_threads: int
) -> float:
    """Return seconds per epoch: whole fits, everything included, by their epochs."""
    fits = 0
    with threadpool_limits(n_threads, user_api="blas"):
        time.sleep(PAUSE_SECONDS)
        start = time.perf_counter()
        while fits == 0 or time.perf_counter() - start < SAMPLE_SECONDS:
            peer.train(case, x, y, n_threads)
            fits += 1
        return (time.perf_counter() - start) / (fits * case.epochs)


def compare(case: Case, peers: list[Peer], n_threads: int, rounds: int) -> list[Timing]:
    """Time the peers A B A B, beginning each round with the next one."""
    from fastmlp._core import fma_peak

    timings = [Timing(case, peer, n_threads) for peer in peers]
    data = {peer.dtype: case.data(peer.dtype) for peer in peers}
    for i in range(rounds):
        peaks = {dtype: fma_peak(dtype, n_threads, 0.1) for dtype in data}
        first = i % len(timings)
        for timing in timings[first:] + timings[:first]:
            dtype = timing.peer.dtype
            timing.peaks.append(peaks[dtype])
            timing.seconds.append(
                time_epochs(case, timing.peer, *data[dtype], n_threads)
            )
    return timings
