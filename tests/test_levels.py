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


# Of Linux: its number of arch_prctl, and what that is asked.
permissions = """
import ctypes
found = ctypes.c_uint64()
assert ctypes.CDLL(None).syscall(158, 0x1022, ctypes.byref(found)) == 0
print(found.value >> 18 & 1)
"""

# Too small for the matrix unit's registers.
small_signal_stack = """
import ctypes
class Stack(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("flags", ctypes.c_int),
                ("size", ctypes.c_size_t)]
data = ctypes.create_string_buffer(8192)
stack = Stack(ctypes.addressof(data), 0, 8192)
assert ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None) == 0
"""

needs_matrix_unit = pytest.mark.skipif(
    _core.levels[:2] != ("x86_64_v4_amx", "x86_64_v4"),
    reason="there is no matrix unit here, or one level alone",
)


@needs_matrix_unit
@pytest.mark.parametrize("level", _core.levels)
def test_permission_is_asked_for_the_level_that_runs(run_python, level):
    done = run_python("import fastmlp" + permissions, FASTMLP_LEVEL=level)
    assert int(done.stdout) == (level == "x86_64_v4_amx")


@needs_matrix_unit
def test_the_next_level_runs_where_the_system_refuses(run_python):
    script = small_signal_stack + "from fastmlp import _core; print(_core.level)"
    done = run_python(script, FASTMLP_LEVEL="")
    assert done.stdout.strip() == _core.levels[1]
    done = run_python(script, FASTMLP_LEVEL="x86_64_v4_amx")
    assert done.returncode != 0
    assert "does not permit" in done.stderr


def test_unknown_level_is_refused(run_python):
    done = run_python("import fastmlp._core", FASTMLP_LEVEL="pdp11")
    assert done.returncode != 0
    assert "pdp11" in done.stderr
    assert _core.levels[0] in done.stderr
