"""What runs here: for bug reports."""

from __future__ import annotations

import platform
from importlib.metadata import version

from . import _core
from ._threads import effective_n_threads


def show_versions() -> None:
    """Print the instruction-set level that runs, the threads and the versions.

    The levels listed as built are those of this installation that this processor runs,
    the best first. Set the environment variable ``FASTMLP_LEVEL`` to choose one.
    """
    packages = ("numpy", "scipy", "scikit-learn")
    facts = {
        "fastmlp": version("fastmlp"),
        "level": f"{_core.level} (built: {', '.join(_core.levels)})",
        "threads": str(effective_n_threads()),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        **_core.compiled_with(),
        "platform": platform.platform(),
    }
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:>{width}}: {fact}")
