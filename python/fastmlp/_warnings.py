"""Warnings that point at the user's line, however many of our frames are between."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

_OURS = ("fastmlp", "sklearn")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn about the nearest caller outside fastmlp and scikit-learn."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and _package(frame) in _OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
