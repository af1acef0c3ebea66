"""The compiled core, built once per instruction-set level.

This package stands for the best build that this processor runs. Set the environment
variable ``FASTMLP_LEVEL`` before the first import to choose another one.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec

from ._cpu import is_permitted, supported_levels

levels = tuple(
    level for level in supported_levels() if find_spec(f"{__name__}._{level}")
)


def _choose() -> str:
    asked = os.environ.get("FASTMLP_LEVEL")
    chosen = asked or next(filter(is_permitted, levels), next(iter(levels), ""))
    if chosen not in levels:
        what = f"FASTMLP_LEVEL={asked!r}" if asked else "no compiled core"
        msg = (
            f"{what}: this installation of fastmlp has no such core that this processor "
            f"runs; available here: {', '.join(levels) or 'none'} (the processor runs "
            f"{', '.join(supported_levels())})"
        )
        raise ImportError(msg)
    if not is_permitted(chosen):
        msg = (
            f"the core for {chosen}: the operating system does not permit this process to "
            "use the matrix unit"
        )
        raise ImportError(msg)
    return chosen


level = _choose()
_native = import_module(f"._{level}", __name__)

globals().update(
    {name: value for name, value in vars(_native).items() if not name.startswith("__")}
)
# A submodule like any other, so that `from fastmlp._core.nn import Dense` works.
sys.modules[f"{__name__}.nn"] = _native.nn
