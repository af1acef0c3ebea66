"""Who is compared: the table of peers. No library is imported here, only in the workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cases import Case

from . import settings


@dataclass(frozen=True)
class Peer:
    """A library in one configuration."""

    name: str
    label: str  # in charts and tables
    session: str  # module:class, below this package
    packages: tuple[str, ...]
    about: str
    trains: bool = True
    calls: frozenset[str] = frozenset()  # kinds of single calls that it answers
    lacks: frozenset[str] = frozenset()  # of `Case.needs`
    changes: dict[str, Any] = field(default_factory=dict)  # to the case's fields
    environment: Callable[[int | None], dict[str, str]] = settings.nothing

    def missing(self) -> str | None:
        """Return why it cannot run here, or None."""
        for package in self.packages:
            try:
                version(package)
            except PackageNotFoundError:
                return f"{package} is not installed"
        try:
            self.environment(1)
        except settings.NotHere as reason:
            return str(reason)
        return None

    def runs(self, case: Case, kind: str) -> bool:
        """Whether it does this work, and not merely repeats another peer's."""
        if kind == "train":
            if not self.trains:
                return False
        elif kind not in self.calls:
            return False
        if case.needs & self.lacks:
            return False
        return not self.changes or self.case(case) != case

    def case(self, case: Case) -> Case:
        """Return the case as this peer runs it."""
        return replace(case, **self.changes)

    def load(self) -> type:
        """Import the library; return its session's class. For workers only."""
        module, name = self.session.split(":")
        return getattr(import_module(f"peers.{module}"), name)


_PREDICTS = frozenset({"predict", "predict-row"})
_ESTIMATES = _PREDICTS | {"fit", "partial_fit-row"}
_NO_BATCH_NORM = frozenset({"batch_norm"})
_NO_SPARSE = frozenset({"sparse"})
_MKL = settings.mkl_at_full_speed

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "fastmlp", "fastmlp", "estimators:FastMLP", ("fastmlp",),
            "whole calls of fit, n_threads", calls=_ESTIMATES,
        ),
        Peer(
            "fastmlp-predictor", "fastmlp predictor()", "estimators:FastPredictor",
            ("fastmlp",), "the frozen copy that predictor() returns",
            trains=False, calls=_PREDICTS,
        ),
        Peer(
            "numpy", "NumPy", "plain_numpy:Numpy", ("numpy",),
            "numpy_network.py: allocated buffers, out=, in-place Adam in pieces",
            calls=_PREDICTS, lacks=_NO_BATCH_NORM | _NO_SPARSE,
        ),
        Peer(
            "sklearn", "scikit-learn", "estimators:ScikitLearn", ("scikit-learn",),
            "whole calls of fit", calls=_ESTIMATES, lacks=_NO_BATCH_NORM,
        ),
        Peer(
            "sklearn-float64", "scikit-learn float64", "estimators:ScikitLearn",
            ("scikit-learn",), "the same, in the precision most people run it in",
            lacks=_NO_BATCH_NORM, changes={"dtype": "float64"},
        ),
        Peer(
            "sklearn-unshuffled", "scikit-learn, shuffle=False",
            "estimators:ScikitLearn", ("scikit-learn",),
            "spared the time it spends on picking rows: less work than fastmlp's",
            lacks=_NO_BATCH_NORM, changes={"shuffle": False},
        ),
        Peer(
            "torch", "PyTorch", "pytorch:Eager", ("torch",),
            "eager, fused Adam, index_select from tensors in memory, as installed",
            calls=_PREDICTS, lacks=_NO_SPARSE,
        ),
        Peer(
            "torch-mkl", "PyTorch, MKL override", "pytorch:Eager", ("torch",),
            "the same with MKL made to believe that this AMD processor is Intel's",
            calls=_PREDICTS, lacks=_NO_SPARSE, environment=_MKL,
        ),
        Peer(
            "torch-compile", "torch.compile", "pytorch:Compiled", ("torch",),
            "the whole step, Adam included, in one compiled graph; MKL override if AMD",
            calls=_PREDICTS, environment=settings.compiled_torch,
            lacks=_NO_BATCH_NORM | _NO_SPARSE,
        ),
        Peer(
            "jax", "JAX", "jax_scan:Jax", ("jax", "jaxlib"),
            "the whole epoch in one jitted lax.scan, buffers donated",
            calls=_PREDICTS, lacks=_NO_SPARSE, environment=settings.xla_threads,
        ),
        Peer(
            "onnxruntime", "ONNX Runtime", "onnx_graph:OnnxRuntime",
            ("onnxruntime", "onnx"), "Gemm and activations, all optimizations",
            trains=False, calls=_PREDICTS, lacks=_NO_SPARSE,
        ),
    )
}  # fmt: skip
