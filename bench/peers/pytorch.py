"""PyTorch: eager with fused Adam, and the whole training step compiled."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cases import Case

from .session import Session

RATE, BETA_1, BETA_2, EPS = 1e-3, 0.9, 0.999, 1e-8
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid}


def loss_of(case: Case):
    if case.classes == 0:
        return lambda z, y: 0.5 * functional.mse_loss(z[:, 0], y)
    if case.units[-1] == 1:
        return lambda z, y: functional.binary_cross_entropy_with_logits(z[:, 0], y)
    return functional.cross_entropy


def probabilities(z: torch.Tensor) -> torch.Tensor:
    return z.sigmoid() if z.shape[1] == 1 else z.softmax(1)


class Torch(Session):
    """Tensors in memory; batches are rows picked by pieces of a permutation."""

    def __init__(self, case: Case, n_threads: int | None) -> None:
        super().__init__(case, n_threads)
        if n_threads:
            torch.set_num_threads(n_threads)
        self.inputs = torch.from_numpy(self.x)
        targets = self.y if case.classes > 2 else self.y.astype(case.dtype)
        self.targets = torch.from_numpy(targets)
        self.loss = loss_of(case)

    def network(self) -> nn.Sequential:
        """Return the network with the initial weights."""
        layers: list[nn.Module] = []
        for i, (w, b) in enumerate(self.weights):
            if i > 0:
                if self.case.batch_norm:
                    layers.append(nn.BatchNorm1d(len(w)))
                layers.append(ACTIVATIONS[self.case.activation]())
            dense = nn.Linear(*w.shape)
            dense.weight = nn.Parameter(torch.from_numpy(w.T.copy()))
            dense.bias = nn.Parameter(torch.from_numpy(b.copy()))
            layers.append(dense)
        return nn.Sequential(*layers).to(self.inputs.dtype)

    def step(self, picked: torch.Tensor) -> torch.Tensor:
        """Train on the picked rows; return the sum of their losses."""
        raise NotImplementedError

    def train(self, orders: list[np.ndarray] | None = None) -> list[float]:
        rows, losses = self.case.rows, []
        for epoch in range(self.epochs(orders)):
            if orders is None:
                order = torch.randperm(rows)
            else:
                order = torch.from_numpy(orders[epoch])
            total = torch.zeros((), dtype=self.inputs.dtype)
            for picked in order.split(self.case.batch):
                total += self.step(picked)
            losses.append(total.item() / rows)
        return losses


class Eager(Torch):
    """What most people write."""

    def restart(self) -> None:
        self.model = self.network()
        self.optimizer = torch.optim.Adam(self.model.parameters(), RATE, fused=True)

    def step(self, picked: torch.Tensor) -> torch.Tensor:
        x = self.inputs.index_select(0, picked)
        y = self.targets.index_select(0, picked)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach() * len(picked)

    @torch.inference_mode()
    def predict(self, x: np.ndarray) -> np.ndarray:
        if not hasattr(self, "model"):
            self.restart()
        return probabilities(self.model(torch.from_numpy(x))).numpy()


class Compiled(Torch):
    """Gather, forward, backward and Adam as one graph, which Inductor fuses.

    A compiled eager model (loss.backward(), optimizer.step() compiled or not) was slower
    in every case: 38 ms an epoch against 18 on `tab`, 61 against 16 on `tiny`.
    """

    def __init__(self, case: Case, n_threads: int | None) -> None:
        super().__init__(case, n_threads)
        torch._dynamo.reset()
        start = [torch.from_numpy(a) for w, b in self.weights for a in (w.T.copy(), b)]
        self.start = start
        self.parameters = [a.clone() for a in start]
        self.m = [torch.zeros_like(a) for a in start]
        self.v = [torch.zeros_like(a) for a in start]
        self.n_steps = 0
        self.compiled = torch.compile(self.update, dynamic=False, fullgraph=True)
        self.compiled_forward = torch.compile(self.forward, dynamic=False)
        self.activation = ACTIVATIONS[case.activation]()

    def restart(self) -> None:
        self.n_steps = 0
        for now, start in zip(self.parameters, self.start, strict=True):
            now.copy_(start)
        for moment in (*self.m, *self.v):
            moment.zero_()

    def forward(self, parameters: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        for i in range(0, len(parameters), 2):
            if i > 0:
                x = self.activation(x)
            x = functional.linear(x, parameters[i], parameters[i + 1])
        return x

    def update(self, parameters, m, v, x, y, picked, rate) -> torch.Tensor:
        x, y = x.index_select(0, picked), y.index_select(0, picked)
        gradients, loss = torch.func.grad_and_value(
            lambda parameters: self.loss(self.forward(parameters, x), y)
        )(parameters)
        for p, m_, v_, g in zip(parameters, m, v, gradients, strict=True):
            m_.mul_(BETA_1).add_(g, alpha=1 - BETA_1)
            v_.mul_(BETA_2).addcmul_(g, g, value=1 - BETA_2)
            p.sub_(rate * m_ / (v_.sqrt() + EPS))
        return loss * len(picked)

    def step(self, picked: torch.Tensor) -> torch.Tensor:
        self.n_steps += 1
        t = self.n_steps
        rate = RATE * (1 - BETA_2**t) ** 0.5 / (1 - BETA_1**t)
        rate = torch.tensor(rate, dtype=self.inputs.dtype)
        state = self.parameters, self.m, self.v
        return self.compiled(*state, self.inputs, self.targets, picked, rate)

    @torch.inference_mode()
    def predict(self, x: np.ndarray) -> np.ndarray:
        z = self.compiled_forward(self.parameters, torch.from_numpy(x))
        return probabilities(z).numpy()
