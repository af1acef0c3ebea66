"""A run on disk: every sample, the machine, the versions; written and read as JSON."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import environment
from cases import Case
from measure import Timing
from peers import PEERS

PACKAGES = sorted({"scipy", *(p for peer in PEERS.values() for p in peer.packages)})


@dataclass
class Run:
    """What run.py has measured."""

    machine: dict[str, object]
    timings: list[Timing] = field(default_factory=list)
    failures: list[dict[str, object]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Timing]:
        return [t for t in self.timings if t.kind in kinds]


def machine() -> dict[str, object]:
    """Return what the figures depend on: processor, level, versions."""
    from threadpoolctl import threadpool_info

    from fastmlp import _core

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(names) or None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "level": _core.level,
        "compiled_with": _core.compiled_with(),
        "blas": sorted(
            f"{info['internal_api']} {info['version']} {info.get('architecture', '')}"
            for info in threadpool_info()
            if info["user_api"] == "blas"
        ),
        "environment_dropped": environment.dropped,
        "versions": versions,
    }


def describe(machine: dict) -> str:
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items())
    return (
        f"{machine['processor']} ({machine['cores']} cores), level {machine['level']}, "
        f"Python {machine['python']}, {versions} ({'; '.join(machine['blas'])})"
    )


def save(run: Run, path: Path) -> Path:
    """Write the run; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    timings = []
    for t in run.timings:
        derived = {"best": t.best, "median": t.median}
        if t.flops:
            derived |= {"gflops": t.gflops, "fraction_of_peak": t.fraction}
        timings.append(asdict(t) | derived)
    contents = {
        "machine": run.machine,
        "timings": timings,
        "failures": run.failures,
    }
    path.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
    return path


def load(path: Path) -> Run:
    """Read what `save` has written."""
    contents = json.loads(path.read_text(encoding="utf-8"))
    timings = []
    for entry in contents["timings"]:
        case = dict(entry["case"])
        case["hidden"] = tuple(case["hidden"])
        kept = ("kind", "peer", "n_threads", "seconds", "cores", "peaks")
        timings.append(Timing(Case(**case), **{name: entry[name] for name in kept}))
    return Run(contents["machine"], timings, contents["failures"])
