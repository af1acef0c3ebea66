"""Calls no longer than a wake-up go to a team as long as its threads are awake."""

from __future__ import annotations

import pytest

from fastmlp._core import ShortCalls

ALONE, TEAM = 36e-6, 15e-6  # seconds of a call
PROMPT = 2e-6  # seconds until a thread begins that looks out for work
ASLEEP = 50e-6  # ... that sleeps
AWAKE = 3e-3  # seconds that it looks out for work


class Service:
    """Calls one after the other on a machine whose threads sleep after a while."""

    def __init__(self, delay=PROMPT, turn=None):
        self.calls = ShortCalls()
        self.now = 100.0
        self.delay = delay
        self.turn = turn  # seconds of a core that another process has in between
        self.worked = -1.0
        self.seconds = 0.0  # in calls

    def call(self, gap=0.0):
        """Answer after so many seconds; return whether a team did."""
        self.now += gap
        start = self.now
        team = self.calls.is_for_team(start)
        if team:
            slept = start - self.worked > AWAKE
            complete = start + (max(ASLEEP, self.delay) if slept else self.delay)
            self.now = complete + TEAM
            if self.turn and start // self.turn != self.now // self.turn:
                self.now += self.turn
            self.worked = self.now
            self.calls.done_by_team(start, self.now, work=1.0)
        else:
            self.now += ALONE
            self.calls.done(start, self.now, work=1.0)
        self.seconds += self.now - start
        return team


@pytest.mark.parametrize("gap", [0.0, 1e-5, 5e-4])
def test_calls_that_follow_one_another_closely(gap):
    service = Service()
    assert not any(service.call(gap) for _ in range(8))
    assert all(service.call(gap) for _ in range(5000))
    assert service.calls.by_teams == 5000


@pytest.mark.parametrize("burst", [1, 2, 8])
def test_short_bursts_wake_nobody(burst):
    service = Service()
    for _ in range(100):
        assert not any(service.call(0.01 * (i == 0)) for i in range(burst))


@pytest.mark.parametrize("delay", [PROMPT, 4e-3])
@pytest.mark.parametrize("burst", [*range(9, 20), 50, 100])
def test_a_burst_pays_for_its_wake_up(burst, delay):
    """Also where a thread takes long to get a core."""
    service = Service(delay)
    for _ in range(5000):
        for i in range(burst):
            service.call(1.0 if i == 0 else 0.0)
    assert service.seconds < 1.1 * 5000 * burst * ALONE


def test_longer_calls_keep_a_team_awake():
    """But one thread does the first, which tells how long it takes."""
    service = Service()
    service.calls.team_worked(service.now)
    assert not service.call(1e-4)
    service.calls.team_worked(service.now)
    assert service.call(1e-4)


@pytest.mark.parametrize("delay", [30e-6, 4e-3])
def test_threads_that_come_late_are_hardly_asked(delay):
    """Told to sleep at once, or without a core."""
    service = Service(delay)
    late = sum(service.call() for _ in range(100_000))
    assert late < 1000
    assert service.seconds < 1.04 * 100_000 * ALONE


@pytest.mark.parametrize("turn", [1.4e-3, 4e-3, 10e-3])
def test_a_core_that_is_shared_with_another_process(turn):
    """Whenever it is lost, a team's call waits for it."""
    service = Service(turn=turn)
    for _ in range(100_000):
        service.call()
    assert service.seconds < 1.15 * 100_000 * ALONE


def test_they_are_asked_again_when_they_come_in_time():
    service = Service(delay=4e-3)
    for _ in range(20_000):
        service.call()
    service.delay = PROMPT
    for _ in range(5000):
        service.call()
    assert all(service.call() for _ in range(1000))


@pytest.mark.parametrize(("delay", "every"), [(1e-3, 1500), (1e-4, 100), (3e-5, 5)])
def test_late_starts_now_and_then_are_chance(delay, every):
    """As long as a team wins more than it loses by them."""
    service = Service()
    alone = 0
    for i in range(20_000):
        service.delay = delay if i % every == 0 else PROMPT
        alone += not service.call()
    assert alone < 50


def test_a_team_that_is_a_little_slower_is_left_in_time():
    """Where threads' cores share what they work with, say."""
    service = Service(delay=ALONE - TEAM + 4e-6)
    for _ in range(100_000):
        service.call()
    assert service.seconds < 1.02 * 100_000 * ALONE
