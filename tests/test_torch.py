"""PyTorch brings an OpenMP of its own: both libraries work, whichever comes first."""

from __future__ import annotations

import importlib.util

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)

script = """
{imports}
import warnings
import numpy as np
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x = rng.normal(size=(2000, 50)).astype(np.float32)
y = (x[:, 0] > 0).astype(int)
for _ in range(2):
    model = fastmlp.MLPClassifier((128,), max_iter=10, random_state=0, n_threads=2)
    assert model.fit(x, y).score(x, y) > 0.9
    a = torch.ones((500, 500), requires_grad=True)
    (a @ a).sum().backward()
    assert a.grad[0, 0] == 1000
"""


@pytest.mark.parametrize("order", [("fastmlp", "torch"), ("torch", "fastmlp")])
def test_import_order(run_python, order):
    imports = "\n".join(f"import {name}" for name in order)
    done = run_python(script.format(imports=imports), timeout=120)
    assert done.returncode == 0, done.stderr
