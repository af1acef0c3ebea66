"""A peer's process: ``worker.py PIPE PEER THREADS`` does what it is told, and times it."""

from __future__ import annotations

import sys
import time
import timeit
from multiprocessing.connection import Connection

import numpy as np
from threadpoolctl import threadpool_limits

from cases import Case
from peers import PEERS


class Worker:
    """Loads a case, and times the same work again and again."""

    def __init__(self, peer: str, n_threads: int | None) -> None:
        self.n_threads = n_threads
        self.session_class = PEERS[peer].load()
        if n_threads:  # of the BLAS; libraries with threads of their own are told
            self.limits = threadpool_limits(n_threads, user_api="blas")

    def load(self, case: Case) -> None:
        self.session = None  # frees the last one's data first
        self.session = self.session_class(case, self.n_threads)
        self.calls = {}

    def answer(self, kind: str) -> np.ndarray:
        return self.session.answer(kind)

    def sample(self, kind: str, at_least: float) -> tuple[float, float]:
        """Return seconds per epoch or call, and cores in use, of some `at_least` s."""
        if kind == "train":
            return self._train(at_least)
        return self._repeat(kind, at_least)

    def _train(self, at_least: float) -> tuple[float, float]:
        self.session.warm_up()
        wall = cpu = 0.0
        epochs = 0
        while wall < at_least:
            self.session.restart()
            cpu -= time.process_time()
            wall -= time.perf_counter()
            self.session.train()
            wall += time.perf_counter()
            cpu += time.process_time()
            epochs += self.session.case.epochs
        return wall / epochs, cpu / wall

    def _repeat(self, kind: str, at_least: float) -> tuple[float, float]:
        if kind not in self.calls:
            call, n = self.session.call(kind), 1
            call()
            while (seconds := timeit.timeit(call, number=n)) < at_least / 4:
                n *= 2
            self.calls[kind] = call, max(1, round(n * at_least / seconds))
        call, n = self.calls[kind]
        call()
        cpu = time.process_time()
        seconds = timeit.timeit(call, number=n)
        return seconds / n, (time.process_time() - cpu) / seconds


def main() -> None:
    pipe = Connection(int(sys.argv[1]))
    try:
        worker = Worker(sys.argv[2], int(sys.argv[3]) or None)
        pipe.send(("done", None))
        while True:
            command, *arguments = pipe.recv()
            try:
                pipe.send(("done", getattr(worker, command)(*arguments)))
            except Exception as error:  # noqa: BLE001  (any library, any error)
                text = f"{type(error).__name__}: {error}"
                pipe.send(("failed", text.strip().splitlines()[0]))
    except (EOFError, BrokenPipeError):
        return  # the parent has gone


if __name__ == "__main__":
    main()
