from collections.abc import Sequence
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from . import nn

level: str  # the instruction-set level that runs, such as "x86_64_v3"
levels: tuple[str, ...]  # built and runnable here, best first

# The registries: registered name -> class, read from the C++ variants.
activations: dict[str, type[nn._Activation]]
losses: dict[str, type[nn._Loss]]
optimizers: dict[str, type[_Rule]]

_Layer: TypeAlias = nn.Dense | nn.BatchNorm | nn.Dropout | nn._Activation

class _Rule:
    @property
    def slots(self) -> int: ...  # state arrays for each parameter array

@final
class Sgd(_Rule):
    def __init__(self, momentum: float = 0.9, nesterov: bool = True) -> None: ...
    @property
    def momentum(self) -> float: ...
    @property
    def nesterov(self) -> bool: ...

@final
class Adam(_Rule):
    def __init__(
        self, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-08
    ) -> None: ...
    @property
    def beta_1(self) -> float: ...
    @property
    def beta_2(self) -> float: ...
    @property
    def epsilon(self) -> float: ...

class _Workspace:
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...  # made by forward

@final
class WorkspaceF32(_Workspace): ...

@final
class WorkspaceF64(_Workspace): ...

# One class of each for each precision: `networks[dtype]`, `trainers[dtype]` and so on.
class _Network:
    def __init__(self, layers: Sequence[_Layer]) -> None: ...
    @property
    def in_features(self) -> int: ...
    @property
    def out_features(self) -> int: ...
    @property
    def slices(
        self,
    ) -> list[tuple[str, tuple[int, ...], bool]]: ...  # name, shape, trainable
    def forward(
        self,
        x: Any,
        parameters: list[NDArray[Any]],
        *,
        training: bool,
        seed: int,
        step: int,
        n_threads: int,
    ) -> tuple[NDArray[Any], _Workspace]: ...
    def backward(
        self,
        gradient: NDArray[Any],
        gradients: list[NDArray[Any]],
        workspace: _Workspace,
        *,
        n_threads: int,
    ) -> NDArray[Any]: ...
    def predict(
        self,
        x: Any,
        parameters: list[NDArray[Any]],
        loss: nn._Loss,
        n_threads: int,
        check_finite: bool = False,
        rows: NDArray[np.int64] | None = None,
        both_classes: bool = False,
    ) -> NDArray[Any]: ...

@final
class NetworkF32(_Network): ...

@final
class NetworkF64(_Network): ...

class _Predictor:
    def __init__(
        self,
        network: Any,
        parameters: list[NDArray[Any]],
        loss: nn._Loss,
        *,
        both_classes: bool,
        flat: bool,
        n_threads: int,
    ) -> None: ...
    def __call__(self, x: Any) -> NDArray[Any]: ...
    def parameters(self) -> list[NDArray[Any]]: ...

@final
class PredictorF32(_Predictor): ...

@final
class PredictorF64(_Predictor): ...

class _OptimizerState:
    def __init__(self, network: Any, optimizer: _Rule) -> None: ...
    def load(self, arrays: list[NDArray[Any]]) -> None: ...
    def arrays(self) -> list[NDArray[Any]]: ...

@final
class OptimizerStateF32(_OptimizerState): ...

@final
class OptimizerStateF64(_OptimizerState): ...

class _Trainer:
    def __init__(
        self,
        network: Any,
        loss: nn._Loss,
        optimizer: _Rule,
        x: Any,
        target: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        parameters: list[NDArray[Any]],
        state: _OptimizerState,
        *,
        alpha: float,
        batch_size: int,
        seed: int,
        step: int,
        n_threads: int,
        clip: bool,
    ) -> None: ...
    def begin_epoch(
        self, order: NDArray[np.int64], learning_rates: NDArray[np.float64]
    ) -> None: ...
    def run(self, seconds: float) -> bool: ...  # True when the epoch is complete
    def write_back(self) -> None: ...
    @property
    def loss(self) -> float: ...
    @property
    def step(self) -> int: ...
    @property
    def n_threads(self) -> int: ...

@final
class TrainerF32(_Trainer): ...

@final
class TrainerF64(_Trainer): ...

class _Objective:
    def __init__(
        self,
        network: Any,
        loss: nn._Loss,
        x: Any,
        target: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        *,
        alpha: float,
        n_threads: int,
        clip: bool,
    ) -> None: ...
    def __call__(
        self, parameters: list[NDArray[Any]], gradients: list[NDArray[Any]]
    ) -> float: ...

@final
class ObjectiveF32(_Objective): ...

@final
class ObjectiveF64(_Objective): ...

networks: dict[Any, type[NetworkF32 | NetworkF64]]
predictors: dict[Any, type[PredictorF32 | PredictorF64]]
optimizer_states: dict[Any, type[OptimizerStateF32 | OptimizerStateF64]]
trainers: dict[Any, type[TrainerF32 | TrainerF64]]

objectives: dict[Any, type[ObjectiveF32 | ObjectiveF64]]

def update(
    optimizer: _Rule,
    parameters: list[NDArray[Any]],
    gradients: list[NDArray[Any]],
    state: list[NDArray[Any]],
    alphas: list[float],
    *,
    learning_rate: float,
    step: int,
) -> None: ...
def shuffle(
    order: NDArray[np.int64], capsule: object, mersenne_twister: bool
) -> None: ...
def uniform(
    numbers: NDArray[np.floating[Any]], low: float, high: float, capsule: object
) -> None: ...
def holds_words(capsule: object, words: NDArray[np.uint32], position: int) -> bool: ...
def max_threads() -> int: ...
def fma_peak(dtype: str, n_threads: int, seconds: float) -> float: ...

@final
class Crowding:
    def __init__(self) -> None: ...
    @property
    def is_alone(self) -> bool: ...
    def seconds(self, offered: float) -> float: ...
    def record(
        self,
        wall_seconds: float,
        least_cpu_seconds: float,
        work: float,
        least_work: float,
        wanted: int,
    ) -> None: ...

@final
class ShortCalls:
    def __init__(self) -> None: ...
    def is_for_team(self, start: float, kind: int) -> bool: ...
    def done(self, start: float, end: float, kind: int) -> None: ...
    def done_by_team(self, start: float, end: float, kind: int) -> None: ...
    def team_worked(self, end: float) -> None: ...
    @property
    def by_teams(self) -> int: ...

def short_calls_by_teams() -> int: ...
def compiled_with() -> dict[str, str]: ...
