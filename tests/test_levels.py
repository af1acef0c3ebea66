"""Each built instruction-set level passes the layers' tests in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastmlp import _core

script = """
import sys, pytest
from fastmlp import _core
assert _core.level == sys.argv[1], _core.level
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *sys.argv[2:]]))
"""


def test_the_best_level_runs_unless_one_is_asked_for(run_python):
    done = run_python("from fastmlp import _core; print(_core.level)", FASTMLP_LEVEL="")
    assert done.stdout.strip() == _core.levels[0]


@pytest.mark.parametrize("level", _core.levels)
def test_level(run_python, level):
    here = Path(__file__).parent
    rooms = ("elementwise", "activations", "layers")
    files = [str(here / f"test_{room}.py") for room in rooms]
    done = run_python(script, level, *files, timeout=120, FASTMLP_LEVEL=level)
    assert done.returncode == 0, done.stdout + done.stderr


def test_unknown_level_is_refused(run_python):
    done = run_python("import fastmlp._core", FASTMLP_LEVEL="pdp11")
    assert done.returncode != 0
    assert "pdp11" in done.stderr
    assert _core.levels[0] in done.stderr
