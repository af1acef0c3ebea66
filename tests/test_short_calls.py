"""Calls no longer than a wake-up go to a team as long as its threads are awake."""

from __future__ import annotations

import random

import pytest

from fastmlp._core import ShortCalls

ALONE, TEAM = 36e-6, 15e-6  # seconds of a call
PROMPT = 2e-6  # seconds until a thread begins that looks out for work
ASLEEP = 50e-6  # ... that sleeps
AWAKE = 3e-3  # seconds that it looks out for work
HARDLY = 0.005  # of the calls: a team leaves some to one thread, to see how it does


class Service:
    """Calls one after the other on a machine whose threads sleep after a while."""

    def __init__(self, delay=PROMPT, asleep=ASLEEP, turn=None):
        self.calls = ShortCalls()
        self.now = 100.0
        self.delay = delay
        self.asleep = asleep
        self.turn = turn  # seconds of a core that another process has in between
        self.alone, self.team = {0: ALONE}, {0: TEAM}  # by kind
        self.worked = -1.0
        self.seconds = 0.0  # in calls

    def call(self, gap=0.0, kind=0):
        """Answer after so many seconds; return whether a team did."""
        self.now += gap
        start = self.now
        team = self.calls.is_for_team(start, kind)
        if team:
            slept = start - self.worked > AWAKE
            self.now += max(self.asleep, self.delay) if slept else self.delay
            self.now += self.team[kind]
            if self.turn and start // self.turn != self.now // self.turn:
                self.now += self.turn
            self.worked = self.now
            self.calls.done_by_team(start, self.now, kind)
        else:
            self.now += self.alone[kind]
            self.calls.done(start, self.now, kind)
        self.seconds += self.now - start
        return team

    def share_by_teams(self, n):
        return sum(self.call() for _ in range(n)) / n

    def against_one_thread(self, n):
        """Return how many times one thread's time n calls take."""
        before = self.seconds
        for _ in range(n):
            self.call()
        return (self.seconds - before) / (n * self.alone[0])


@pytest.mark.parametrize("gap", [0.0, 1e-5, 5e-4])
def test_calls_that_follow_one_another_closely(gap):
    service = Service()
    assert not any(service.call(gap) for _ in range(8))
    assert all(service.call(gap) for _ in range(1000))
    assert service.calls.by_teams == 1000
    assert sum(service.call(gap) for _ in range(10_000)) > (1 - HARDLY) * 10_000


@pytest.mark.parametrize("burst", [1, 2, 8])
def test_short_bursts_wake_nobody(burst):
    service = Service()
    for _ in range(100):
        assert not any(service.call(0.01 * (i == 0)) for i in range(burst))


@pytest.mark.parametrize("asleep", [ASLEEP, 4e-4, 4e-3])
@pytest.mark.parametrize("burst", [*range(9, 20), 50, 100])
@pytest.mark.parametrize("shorter", [1, 4])
def test_a_burst_pays_for_its_wake_up(burst, asleep, shorter):
    """Also where a thread takes long to wake up, or the call is shorter yet."""
    service = Service(asleep=asleep)
    service.alone[0] /= shorter
    service.team[0] /= shorter
    for _ in range(5000):
        for i in range(burst):
            service.call(1.0 if i == 0 else 0.0)
    assert service.seconds < 1.1 * 5000 * burst * service.alone[0]


def test_longer_calls_keep_a_team_awake():
    """But one thread does the first two, which tell how long it takes."""
    service = Service()
    for by_team in (False, False, True):
        service.calls.team_worked(service.now)
        assert service.call(1e-4) == by_team


LATE = [25e-6, 30e-6, 4e-3]  # told to sleep at once, or without a core


@pytest.mark.parametrize("delay", LATE)
def test_threads_that_come_late_are_hardly_asked(delay):
    service = Service(delay)
    assert service.against_one_thread(100_000) < 1.04


@pytest.mark.parametrize("delay", LATE)
def test_threads_that_come_late_from_some_time_on(delay):
    """What a team has won before does not count for long."""
    service = Service()
    service.share_by_teams(100_000)
    service.delay = delay
    assert service.against_one_thread(100_000) < 1.04


@pytest.mark.parametrize("delay", LATE)
def test_a_first_call_that_took_long_is_no_measure(delay):
    service = Service(delay)
    service.alone[0] = 100 * ALONE
    service.call()
    service.alone[0] = ALONE
    service.calls.team_worked(service.now)
    assert service.against_one_thread(100_000) < 1.06


@pytest.mark.parametrize("turn", [1.4e-3, 4e-3, 10e-3])
def test_a_core_that_is_shared_with_another_process(turn):
    """Whenever it is lost, a team's call waits for it."""
    service = Service(turn=turn)
    assert service.against_one_thread(100_000) < 1.15


def test_they_are_asked_again_when_they_come_in_time():
    service = Service(delay=4e-3)
    service.share_by_teams(20_000)
    service.delay = PROMPT
    service.share_by_teams(10_000)
    assert service.share_by_teams(10_000) > 1 - HARDLY


def test_after_a_good_while_a_loss_is_soon_forgotten():
    service = Service(delay=4e-3)
    service.share_by_teams(100_000)  # the longest time for one thread
    service.delay = PROMPT
    service.share_by_teams(20_000)
    service.delay = 10e-3
    before = service.now
    while service.now < before + 10e-3:
        service.call()
    service.delay = PROMPT
    assert service.share_by_teams(1000) > 0.9


@pytest.mark.parametrize(
    ("delay", "every"), [(4e-3, 1000), (1e-3, 1500), (1e-4, 100), (3e-5, 5)]
)
def test_late_starts_now_and_then_are_chance(delay, every):
    """As long as a team wins more than it loses by them."""
    service = Service()
    alone = 0
    for i in range(20_000):
        service.delay = delay if i % every == 0 else PROMPT
        alone += not service.call()
    assert alone < 100


@pytest.mark.parametrize("times", [3.0, 1 / 3])
def test_a_machine_that_becomes_slower_or_faster(times):
    service = Service()
    service.share_by_teams(5000)
    service.alone[0] *= times
    service.team[0] *= times
    service.share_by_teams(5000)
    assert service.share_by_teams(10_000) > 1 - HARDLY


@pytest.mark.parametrize("in_turn", [True, False], ids=["in turn", "at random"])
def test_calls_of_several_kinds(in_turn):
    """Each is compared with its own: long ones do not lose by what short ones take."""
    service = Service()
    service.alone |= {1: 120e-6, 2: 8e-6}
    service.team |= {1: 70e-6, 2: 5e-6}
    draw = random.Random(0)
    kinds = [i % 3 if in_turn else draw.randrange(3) for i in range(20_000)]
    by_teams = sum(service.call(kind=kind) for kind in kinds)
    assert by_teams > (1 - HARDLY) * len(kinds)


@pytest.mark.parametrize("in_turn", [True, False], ids=["in turn", "at random"])
def test_batches_of_all_sizes(in_turn):
    service = Service()
    service.alone = {n: ALONE * (1 + n / 10) for n in range(20)}
    service.team = {n: TEAM * (1 + n / 10) for n in range(20)}
    draw = random.Random(0)
    kinds = [i % 20 if in_turn else draw.randrange(20) for i in range(20_000)]
    by_teams = sum(service.call(kind=kind) for kind in kinds)
    assert by_teams > (1 - 2 * HARDLY) * len(kinds)


def test_more_kinds_than_are_remembered():
    service = Service()
    service.alone = dict.fromkeys(range(10_000), ALONE)
    service.team = dict.fromkeys(range(10_000), TEAM)
    assert not any(service.call(kind=i % 10_000) for i in range(20_000))
    assert sum(service.call(kind=i // 1000) for i in range(100_000)) > 99_000


def test_a_kind_that_a_team_does_slower_beside_one_that_it_does_faster():
    """The long ones' gain is no reason for the short ones' loss, nor the other way."""
    service = Service()
    service.alone[1], service.team[1] = 9e-6, 10e-6
    by_teams = [0, 0]
    for i in range(200_000):
        by_teams[i % 2] += service.call(kind=i % 2)
    assert by_teams[0] > (1 - HARDLY) * 100_000
    assert by_teams[1] < 0.1 * 100_000


@pytest.mark.parametrize("loss", [0.5e-6, 0.8e-6, 2e-6])
def test_a_team_that_is_a_little_slower_is_left_in_time(loss):
    service = Service()
    service.alone[0] = 9e-6
    service.team[0] = service.alone[0] + loss - PROMPT
    assert service.against_one_thread(300_000) < 1.03
