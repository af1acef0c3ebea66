"""scikit-learn's own tests of its MLP, run from the installed package on our classes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import sklearn
from sklearn.neural_network import MLPClassifier
from sklearn.utils.validation import has_fit_parameter

from fastmlp import _core

SUITE = "sklearn.neural_network.tests.test_mlp"

if _core.level != _core.levels[0]:
    pytest.skip("the best level is enough", allow_module_level=True)


def test_scikit_learns_own_tests(tmp_path):
    here, path = str(Path(__file__).parent), os.environ.get("PYTHONPATH")
    report = tmp_path / "report.xml"
    # Before sample_weight came, test_gradient called a private method with fewer arguments.
    older = not has_fit_parameter(MLPClassifier(), "sample_weight")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "sklearn_suite_plugin",
         "-p", "no:cacheprovider", f"--junit-xml={report}", "--pyargs", SUITE,
         *["-k", "not test_gradient"] * older],
        env=os.environ | {"PYTHONPATH": here if path is None else here + os.pathsep + path},
        check=False, cwd=tmp_path, timeout=500, capture_output=True, text=True,
    )  # fmt: skip
    assert report.exists(), run.stdout + run.stderr
    suite = ET.parse(report).find("testsuite")
    counts = {k: int(suite.get(k)) for k in ("failures", "errors", "skipped")}
    assert (run.returncode, counts) == (0, dict.fromkeys(counts, 0)), run.stdout
    if sklearn.__version__ == "1.9.1":
        assert int(suite.get("tests")) == 59
    assert int(suite.get("tests")) >= 50
