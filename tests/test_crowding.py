"""Whether a team of threads pays is found out by timing it, at little cost."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from fastmlp._core import Crowding

THREADS = 2


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


class Training:
    """Pieces of an epoch, one after the other; time and work in total, and alone."""

    def __init__(self, step=1e-4, epoch=1.0):
        self.crowding = Crowding()
        self.step = step  # seconds of one thread
        self.epoch = epoch  # seconds at least; an epoch ends a piece
        self.seconds = self.alone = 0.0

    def run(self, machine, seconds):
        """Return the steps done in so many seconds, in seconds of one thread."""
        work = passed = 0.0
        while passed < seconds:
            alone = self.crowding.is_alone
            rate = machine.alone if alone else machine.together
            offered = self.crowding.seconds(min(0.02, self.epoch))
            wall = max(offered, self.step / rate)
            share = 1.0 if alone else machine.cpu
            self.crowding.record(
                wall, share * wall, rate * wall, least_alone=THREADS * self.step
            )
            passed += wall
            work += rate * wall
            self.alone += wall if alone else 0.0
        self.seconds += passed
        return work / passed

    def try_out(self, machine):
        """Go on until one thread has been tried."""
        self.run(machine, 0.5 + 100 * THREADS * self.step / machine.together)


lengths = pytest.mark.parametrize(
    ("step", "epoch"), [(1e-4, 1.0), (1e-4, 0.0026), (4e-3, 1.0), (0.15, 0.6)]
)


@lengths
@pytest.mark.parametrize("machine", [fine, hardly])
def test_trials_cost_little(machine, step, epoch):
    training = Training(step, epoch)
    assert training.run(machine, 0.09) == pytest.approx(machine.together)
    assert training.run(machine, 60.0) > 0.995 * machine.together
    assert 0 < training.alone < 0.01 * training.seconds


@lengths
@pytest.mark.parametrize("machine", [siblings, far_apart, neighbour, crowd])
def test_the_better_way_goes_on(machine, step, epoch):
    training = Training(step, epoch)
    training.try_out(machine)
    best = max(machine.together, machine.alone)
    assert training.run(machine, max(20.0, 600 * step)) > 0.93 * best


@pytest.mark.parametrize("machine", [siblings, neighbour])
def test_a_slow_team_is_found_out_soon(machine):
    """Within a quarter of a second."""
    training = Training()
    training.run(machine, 0.25)
    assert training.crowding.is_alone


@lengths
@pytest.mark.parametrize("machine", [siblings, neighbour, crowd])
def test_a_team_comes_back(machine, step, epoch):
    """After 64 pieces at the latest."""
    training = Training(step, epoch)
    training.try_out(machine)
    training.run(fine, 70 * max(0.02, step))
    assert training.run(fine, 10.0) > 0.99 * fine.together


@pytest.mark.parametrize("machine", [siblings, neighbour])
def test_one_bad_piece_is_chance(machine):
    training = Training()
    for _ in range(20):
        training.run(machine, 0.01)
        training.run(fine, 0.09)
    assert training.alone < 0.01 * training.seconds


def test_one_step_that_is_longer_than_all_others_waits():
    """One thread needs seconds for a step: no trial before hundreds have passed."""
    training = Training(step=3.0)
    training.run(fine, 100.0)
    assert training.alone == 0
