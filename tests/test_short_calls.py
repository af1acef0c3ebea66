"""Calls shorter than a wake-up go to a team as long as its threads are awake."""

from __future__ import annotations

import pytest

from fastmlp._core import ShortCalls

ALONE, TEAM = 36e-6, 15e-6  # seconds of a call
PROMPT = 2e-6  # seconds until a thread begins that looks out for work
AWAKE = 3e-3  # seconds that it does so


class Service:
    """Calls one after the other on a machine whose threads sleep after a while."""

    def __init__(self, delay=PROMPT, asleep=50e-6):
        self.calls = ShortCalls()
        self.now = 100.0
        self.delay, self.asleep = delay, asleep  # seconds until a thread begins
        self.worked = -1.0

    def call(self, gap):
        """Answer after so many seconds; return whether a team did."""
        self.now += gap
        start = self.now
        if not self.calls.is_for_team(start):
            self.now += ALONE
            self.calls.done(self.now)
            return False
        slept = start - self.worked > AWAKE
        complete = start + (self.asleep if slept else self.delay)
        self.now = self.worked = complete + TEAM
        self.calls.done_by_team(start, complete, self.now)
        return True


@pytest.mark.parametrize("gap", [0.0, 1e-5, 5e-4])
def test_calls_that_follow_one_another_closely(gap):
    service = Service()
    assert not service.call(gap)
    assert all(service.call(gap) for _ in range(1000))


@pytest.mark.parametrize("gap", [2e-3, 10e-3, 1.0])
def test_rare_calls_wake_nobody(gap):
    service = Service()
    assert not any(service.call(gap) for _ in range(100))


def test_bursts():
    """The first call of each burst is one thread's, the others are the team's."""
    service = Service()
    for _ in range(20):
        assert not service.call(1.0)
        assert all(service.call(1e-5) for _ in range(50))


@pytest.mark.parametrize("delay", [30e-6, 4e-3])
def test_threads_that_come_late_are_hardly_asked(delay):
    """Told to sleep at once, or without a core."""
    service = Service(delay=delay, asleep=delay)
    late = sum(service.call(0.0) for _ in range(100_000))
    assert late < 50


def test_they_are_asked_again_when_they_come_in_time():
    service = Service(delay=4e-3)
    for _ in range(20_000):
        service.call(0.0)
    service.delay = PROMPT
    for _ in range(1 << 14):
        service.call(0.0)
    assert all(service.call(0.0) for _ in range(1000))


def test_one_late_start_is_chance():
    service = Service()
    service.call(0.0)
    alone = 0
    for i in range(20_000):
        service.delay = 1e-3 if i % 2000 == 0 else PROMPT
        alone += not service.call(0.0)
    assert alone <= 10


def test_a_core_that_is_shared_with_another_process():
    """It is lost for four of eight milliseconds, and a team's call waits for it."""
    service = Service()
    calls, start, turn = 20_000, service.now, 4e-3
    for _ in range(calls):
        begun = service.now
        if service.call(0.0) and begun // turn != service.now // turn:
            service.now += turn
    assert service.now - start < 1.1 * calls * ALONE
