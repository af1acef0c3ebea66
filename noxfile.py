"""Every task has one name: ``nox -s tests lint stubs sanitize oldest bench``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2026.4"
nox.options.sessions = ["tests", "lint", "stubs"]
nox.options.default_venv_backend = "uv|virtualenv"

PYPROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    return nox.project.dependency_groups(PYPROJECT, name)


@nox.session
def tests(session: nox.Session) -> None:
    """Build with warnings as errors and run the tests."""
    session.install(".[test]", "-Ccmake.define.FASTMLP_WERROR=ON")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, spelling and types."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    sources = [str(path) for path in sorted(Path("cpp").rglob("*.[ch]pp"))]
    session.run("clang-format", "--dry-run", "-Werror", *sources)
    session.run("codespell")
    session.run("mypy")


@nox.session
def stubs(session: nox.Session) -> None:
    """Check the typed stubs against the compiled core."""
    session.install(".", *group("lint"))
    stubtest = ("python", "-m", "mypy.stubtest", "--mypy-config-file", "pyproject.toml")
    session.run(*stubtest, "fastmlp._core")


@nox.session(default=False)
def sanitize(session: nox.Session) -> None:
    """Run the tests on a core of one level, built with AddressSanitizer and UBSan."""
    level = os.environ.get("FASTMLP_LEVELS", "x86_64_v3")
    sanitizers = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"
    session.install(
        ".[test]",
        "-Cbuild-dir=build/sanitize",
        "-Ccmake.build-type=RelWithDebInfo",
        "-Cinstall.strip=false",
        "-Ccmake.define.CMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2 -g",
        f"-Ccmake.define.CMAKE_CXX_FLAGS={sanitizers} -fno-omit-frame-pointer",
        f"-Ccmake.define.FASTMLP_LEVELS={level}",
    )
    # Both must come first: without libstdc++, exceptions crash under the preloaded libasan.
    libraries = [
        subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libstdc++.so.6")
    ]
    environment = {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own, at exit
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    # AddressSanitizer keeps freed memory for a while, which these tests would count.
    tests = (
        "test_parameters_are_held_a_few_times",
        "test_pages_are_mapped_once",
        "test_large_batches_need_little",
    )
    deselected = [f"--deselect=tests/test_memory.py::{test}" for test in tests]
    session.run(
        "python", "-m", "pytest", *deselected, *session.posargs, env=environment
    )


@nox.session(default=False, python="3.11")
def oldest(session: nox.Session) -> None:
    """Run the estimators' tests, less trajectories, with the oldest dependencies.

    The lowest of NumPy and SciPy that pyproject.toml admits and Python 3.11 has wheels of.
    """
    oldest = ("numpy==1.23.2", "scipy==1.9.2", "scikit-learn==1.6.1")
    session.install(".[test]", *oldest)
    # This scikit-learn gives pytest 9 a generator of checks, two of the same name.
    lenient = ("-W", "ignore::pytest.PytestRemovedIn10Warning")
    lenient += ("-o", "strict_parametrization_ids=false")
    chosen = ("-k", "(estimators or contract) and not trajectory")
    session.run("python", "-m", "pytest", *lenient, *chosen, *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Compare with every peer: nox -s bench -- --threads 1 2."""
    session.install(".", *group("bench"))
    session.run("python", "bench/run.py", *session.posargs)
