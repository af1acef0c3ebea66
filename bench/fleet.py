"""The workers: one process for each peer and number of threads, one at work at a time.

Processes of their own keep the libraries' pools of threads apart, and let those that take
their number of threads at the start have it. A peer that fails is left out, with the reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from multiprocessing import Pipe
from pathlib import Path

from cases import Case
from peers import PEERS

TIMEOUT = 900.0  # seconds; a compiler may take minutes
WORKER = Path(__file__).with_name("worker.py")


class PeerFailed(Exception):
    """A worker could not do its work; the message tells why."""


class Worker:
    """The parent's end of a peer's process."""

    def __init__(self, peer: str, n_threads: int | None) -> None:
        self.pipe, theirs = Pipe()
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, WORKER, str(theirs.fileno()), peer, str(n_threads or 0)],
            env={**os.environ, **PEERS[peer].environment(n_threads)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self.errors,
            stderr=self.errors,
        )
        theirs.close()
        self.loaded: Case | None = None
        try:
            self._result()
        except PeerFailed:
            self.close()
            raise

    def ask(self, command: str, *arguments: object):
        """Have the worker do something; return the result."""
        try:
            self.pipe.send((command, *arguments))
        except BrokenPipeError:
            raise PeerFailed(self._last_words()) from None
        return self._result()

    def load(self, case: Case) -> None:
        if case != self.loaded:
            self.loaded = None
            self.ask("load", case)
            self.loaded = case

    def _result(self):
        if not self.pipe.poll(TIMEOUT):
            self.close()
            raise PeerFailed(f"no answer for {TIMEOUT:.0f} s")
        try:
            status, result = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            raise PeerFailed(self._last_words()) from None
        if status == "failed":
            raise PeerFailed(result)
        return result

    def _last_words(self) -> str:
        self.process.wait()
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if line.strip()]
        return lines[-1] if lines else f"died with {self.process.returncode}"

    def close(self) -> None:
        self.pipe.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.errors.close()


class Fleet:
    """Workers by peer and threads, started when first asked for."""

    def __init__(self) -> None:
        self.workers: dict[tuple[str, int | None], Worker] = {}
        self.failures: dict[tuple[str, str, int | None], str] = {}

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def worker(self, peer: str, n_threads: int | None, case: Case) -> Worker:
        """Return the worker, with the case loaded as this peer runs it."""
        key = peer, n_threads
        worker = self.workers.get(key)
        if worker is None or worker.process.poll() is not None:
            worker = self.workers[key] = Worker(peer, n_threads)
        worker.load(PEERS[peer].case(case))
        return worker

    def failed(
        self, case: Case, peer: str, n_threads: int | None, reason: object
    ) -> None:
        self.failures[case.name, peer, n_threads] = str(reason)
