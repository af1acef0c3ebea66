"""Whether a team of threads pays is found out by timing it, at little cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from fastmlp._core import Crowding

THREADS = 2
PIECE = 0.02  # seconds that a training offers
STRETCH = 0.04  # seconds that count, at least, before two ways are compared


@dataclass
class Machine:
    """Steps a second of a team and of one thread, and a member's share of its core."""

    together: float
    alone: float = 1.0
    cpu: float = 1.0


fine = Machine(together=1.8)
hardly = Machine(together=1.05)
siblings = Machine(together=0.78)  # two threads of one core: CPU time shows nothing
far_apart = Machine(together=0.3)
neighbour = Machine(together=0.4, cpu=0.4)  # it holds one of the cores
crowd = Machine(together=1.2, alone=0.7, cpu=0.5)  # on every core


def cost(steps):
    """Return in how much time so many are done: a part of one takes longer than that."""
    part = steps % 1
    return steps + ((1 - part) / 2 if part else 0)


class Training:
    """Pieces of an epoch, one after the other; all time, and that of one thread."""

    def __init__(self, step=1e-4, steps=1e4):
        self.crowding = Crowding()
        self.step = step  # seconds of one thread
        self.steps = self.left = steps  # of an epoch; a part is a smaller batch
        self.seconds = self.alone = 0.0
        self.pieces_alone = 0

    def run(self, machine, seconds):
        """Return the steps done in so many seconds, in seconds of one thread."""
        work = passed = 0.0
        while passed < seconds:
            alone = self.crowding.is_alone
            rate = (machine.alone if alone else machine.together) / self.step
            fit = math.ceil(self.crowding.seconds(PIECE) * rate)
            done = min(self.left, max(1, fit))
            wall = cost(done) / rate
            self.crowding.record(
                wall,
                wall if alone else machine.cpu * wall,
                work=done,
                least_work=1.0,
                wanted=THREADS,
            )
            self.left = self.left - done or self.steps
            passed += wall
            work += done * self.step
            self.alone += wall if alone else 0.0
            self.pieces_alone += alone
        self.seconds += passed
        return work / passed

    def try_out(self, machine):
        """Go on until one thread has been tried."""
        self.run(machine, 0.5 + 100 * THREADS * self.step / machine.together)


# Pieces of an epoch, epochs of some milliseconds and of less than one, an epoch that is
# hardly longer than a piece by `siblings`, steps that are longer than a trial, and than
# a piece (five to an epoch, the last one small).
lengths = pytest.mark.parametrize(
    ("step", "steps"),
    [(1e-4, 1e4), (1e-4, 26), (1e-4, 7), (1e-4, 156.25), (4e-3, 250), (0.15, 4.1)],
)


@lengths
@pytest.mark.parametrize("machine", [fine, hardly])
def test_trials_cost_little(machine, step, steps):
    training = Training(step, steps)
    training.run(machine, 0.09)
    assert training.alone == 0
    training.run(machine, 100.0)
    assert 0 < training.alone < 0.015 * training.seconds


def test_trials_become_rare():
    """0.1, 0.2, 0.4, 0.8 seconds from one to the next, then 1.6."""
    training = Training()
    training.run(fine, 1.6)
    assert training.pieces_alone == 4
    training.run(fine, 16.0)
    assert training.pieces_alone in (13, 14)


@lengths
@pytest.mark.parametrize("machine", [siblings, far_apart, neighbour, crowd])
def test_the_better_way_goes_on(machine, step, steps):
    training = Training(step, steps)
    training.try_out(machine)
    stretch = max(20.0, 600 * step)
    training.run(machine, stretch)
    best = max(machine.together, machine.alone) * steps / cost(steps)
    assert training.run(machine, stretch) > 0.95 * best


@pytest.mark.parametrize("machine", [siblings, neighbour])
def test_a_slow_team_is_found_out_soon(machine):
    training = Training()
    training.run(machine, 0.5)
    assert training.alone > 0.2


@pytest.mark.parametrize(
    ("together", "alone"), [(1.9e-3, 2.5e-3), (1.5e-3, 2.1e-3), (2.5e-3, 1.9e-3)]
)
def test_processes_that_take_turns(together, alone):
    """Of two epochs, one has the cores for itself, and the next one takes three times.

    And a team that has just been woken takes four times as long, once.
    """
    turn = 4e-3  # seconds
    crowding = Crowding()
    used = passed = 0.0
    was_alone = False
    epochs = 4000
    for _ in range(epochs):
        is_alone = crowding.is_alone
        cpu = alone if is_alone else together
        wall = cpu + turn * ((used + cpu) // turn - used // turn)
        if was_alone and not is_alone:
            wall *= 4
        crowding.record(wall, cpu, work=1.0, least_work=0.01, wanted=THREADS)
        used, passed, was_alone = used + cpu, passed + wall, is_alone
    assert passed < 1.05 * epochs * 2 * min(together, alone)


@pytest.mark.parametrize("after", range(0, 400, 40))
def test_a_process_that_was_stopped(after):
    """For a minute, in a piece done either way."""
    training = Training()
    training.run(neighbour, 1.0 + after * PIECE)
    alone = training.crowding.is_alone
    training.crowding.record(
        60.0, 60.0 if alone else 30.0, work=200.0, least_work=1.0, wanted=THREADS
    )
    assert training.run(neighbour, 10.0) > 0.9


def test_a_try_that_wins_goes_on():
    training = Training()
    training.run(Machine(together=0.5, alone=0.7, cpu=0.5), 20.0)
    before = training.pieces_alone
    for _ in range(10_000):
        training.run(crowd, PIECE)
        if training.pieces_alone == before:
            break
        before = training.pieces_alone
    training.run(crowd, 1.0)  # less than four times as long as a try takes
    assert training.pieces_alone == before


@lengths
@pytest.mark.parametrize("machine", [siblings, neighbour, crowd])
@pytest.mark.parametrize("phase", range(5))
def test_a_team_comes_back(machine, step, steps, phase):
    """After 64 times as long as a try takes, at the latest."""
    training = Training(step, steps)
    training.try_out(machine)
    training.run(machine, (500 + phase) * max(PIECE, step))
    training.run(fine, 100 * max(STRETCH, step / machine.together))
    training.alone = training.seconds = 0.0
    training.run(fine, 30.0)
    # Of pieces under a millisecond nothing but the rate tells: one in 65 is tried alone.
    bound = 0.03 if machine.cpu < 1 and steps * step < 1e-3 else 0.015
    assert training.alone < bound * training.seconds


@pytest.mark.parametrize("machine", [siblings, neighbour])
def test_one_bad_piece_is_chance(machine):
    training = Training()
    for _ in range(20):
        training.run(machine, 0.01)
        training.run(fine, 0.09)
    assert training.pieces_alone <= 4  # after 0.1, 0.3, 0.7 and 1.5 seconds


def test_processor_time_of_short_pieces_tells_nothing():
    training = Training(step=1e-4, steps=7)
    training.run(Machine(together=1.8, cpu=0.5), 20.0)
    assert training.alone < 0.015 * training.seconds


def test_a_lucky_trial():
    """The team's next pieces are compared with it, not those before."""
    crowding = Crowding()

    def piece(rate, seconds=PIECE):
        crowding.record(
            seconds, seconds, work=rate * seconds, least_work=1e-4, wanted=THREADS
        )

    for _ in range(5):
        assert not crowding.is_alone
        piece(rate=1.2)
    assert crowding.is_alone
    piece(rate=1.5, seconds=crowding.seconds(PIECE))
    for _ in range(2):
        assert not crowding.is_alone
        piece(rate=1.2)
    for _ in range(3):  # the first one does not count
        assert crowding.is_alone
        piece(rate=1.0)
    assert not crowding.is_alone


def test_no_trial_where_a_step_would_take_too_long():
    """One thread needs three seconds for one: none before hundreds have passed."""
    training = Training(step=3.0)
    training.run(fine, 100.0)
    assert training.alone == 0
