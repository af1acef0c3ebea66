"""The classes a network is made of: layers, losses, `Sequential`, optimizers.

For those who write their own training loop, or teach backpropagation. Layers and losses
are the C++ classes themselves; a `Sequential` holds the numbers.

>>> import numpy as np
>>> from fastmlp import nn
>>> rng = np.random.default_rng(0)
>>> x = rng.normal(size=(256, 2)).astype("float32")
>>> y = (x[:, 0] * x[:, 1] > 0).astype(int)
>>> net = nn.Sequential([nn.Dense(2, 32), nn.ReLU(), nn.Dense(32, 2)], random_state=0)
>>> loss, optimizer = nn.SoftmaxCrossEntropy(), nn.Adam(net, learning_rate=0.01)
>>> for epoch in range(100):
...     value, gradient = loss(net.forward(x, training=True), y)
...     _ = net.backward(gradient)
...     optimizer.step()
>>> bool((net.predict(x, loss).argmax(axis=1) == y).mean() > 0.95)
True
"""

from __future__ import annotations

from ._core import nn as _native
from ._core.nn import *  # so that an activation added in C++ needs no line here
from ._optimizers import SGD, Adam
from ._sequential import Sequential

__all__ = [name for name in vars(_native) if not name.startswith("_")]
__all__ += ["SGD", "Adam", "Sequential"]

for _kind in (SGD, Adam, Sequential):
    _kind.__module__ = __name__  # where users find them
