"""Imported before NumPy: no inherited variable may hold a peer (or fastmlp) back.

A variable such as OPENBLAS_CORETYPE may pin the BLAS to an older processor's kernels, at
half the speed. `--keep-environment` keeps them, to compare at one instruction set.
"""

from __future__ import annotations

import os
import sys

TUNING = ("BLIS_", "GOMP_", "KMP_", "MKL_", "OMP_", "OPENBLAS_")

dropped = {}
if "--keep-environment" not in sys.argv:
    dropped = {
        name: os.environ.pop(name)
        for name in sorted(os.environ)
        if name.startswith(TUNING)
    }
