"""Our estimators' public surface beside scikit-learn's: ``python tests/surface.py``.

Signatures, methods, sections of documentation, tags, attributes after fits, results,
errors, warnings and printed lines are compared; what differs is printed as a table, with
the reason where there is one. A difference without a reason is a fault.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import re
import sys
import warnings
from typing import NamedTuple

import numpy as np
import sklearn.neural_network as sk
from scipy.sparse import csr_array, issparse
from sklearn.utils import get_tags

import surface_cases as cases
from surface_explained import EXPLAINED


class Difference(NamedTuple):
    topic: str
    item: str
    ours: str
    theirs: str

    @property
    def key(self):
        return f"{self.topic}: {self.item}"

    @property
    def reason(self):
        reasons = [
            why for what, why in EXPLAINED.items() if re.fullmatch(what, self.key)
        ]
        return reasons[0] if reasons else None


def compared(topic, item, ours, theirs):
    """Yield what differs between two dictionaries, both ways."""
    for name in dict.fromkeys([*theirs, *ours]):
        pair = [str(d.get(name, "—")) for d in (ours, theirs)]
        if pair[0] != pair[1]:
            yield Difference(topic, f"{item}.{name}" if item else name, *pair)


# Signatures and documentation ------------------------------------------------------------


def constructor(kind):
    found = inspect.signature(kind).parameters
    return {n: f"{p.kind.description}, {p.default!r}" for n, p in found.items()}


def methods(kind):
    """Return the signature of each public method."""
    instance = kind()
    names = [name for name in dir(instance) if not name.startswith("_")]
    found = {n: getattr(instance, n) for n in names}
    return {
        name: [f"{p.kind.description} {n}={p.default!r}" for n, p in parameters(method)]
        for name, method in found.items()
        if callable(method)
    }


def parameters(function):
    return inspect.signature(function).parameters.items()


def sections(text):
    """Return numpydoc sections: name -> {entry: its default}."""
    found, entries, lines = {}, {}, f"{inspect.cleandoc(text or '')}\n".splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if after and set(after) == {"-"}:
            entries = found[line] = {}
        elif line and not line.startswith((" ", "-")):
            names, _, kind = line.partition(":")
            default = re.search(r"default=(.*)", kind)
            defaults = default.group(1).split(", ") if default else [""]
            names = [name.strip() for name in names.split(",")]
            if len(defaults) < len(names):
                defaults *= len(names)
            entries |= zip(names, defaults, strict=False)
    return found


def documentation(ours, theirs):
    """Yield what differs in the class's and the methods' sections."""
    name = theirs.__name__
    mine, other = (sections(kind.__doc__) for kind in (ours, theirs))
    for section in ("Parameters", "Attributes"):
        topic = f"documented {section[:-1].lower()}"
        pair = [unquoted(doc.get(section, {})) for doc in (mine, other)]
        yield from compared(topic, name, *pair)
    order = [[*doc.get("Parameters", {})] for doc in (mine, other)]
    shared = [n for n in order[0] if n in order[1]]
    yield from compared("order of parameters", "", {name: shared}, {name: order[1]})
    for method in methods(theirs):
        pair = [
            sections(getattr(getattr(k, method, None), "__doc__", ""))
            for k in (ours, theirs)
        ]
        for section in ("Parameters", "Returns"):
            found = [[*doc.get(section, {})] for doc in pair]
            if section == "Returns":  # the names and types are told in other words
                found = [bool(entries) for entries in found]
            item = (
                {f"{method}, {section}": found[0]},
                {f"{method}, {section}": found[1]},
            )
            yield from compared("documented method", name, *item)
    yield from compared(
        "sections", name,
        {s: "yes" for s in mine if s in other}, dict.fromkeys(other, "yes"),
    )  # fmt: skip


def unquoted(entries):
    return {name: re.sub(r"['\"]", "", default) for name, default in entries.items()}


# What a fit leaves behind ----------------------------------------------------------------


def describe(value):
    """Return a value's type, and its shape or value where rounding cannot change it."""
    if isinstance(value, np.ndarray) or issparse(value):
        return f"{type(value).__name__} {value.dtype} {value.shape}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__} of {len(value)}: {[*map(describe, value[-2:])]}"
    if isinstance(value, (float, np.floating)):
        return "float" if np.isfinite(value) else str(value)
    return f"{type(value).__name__} {value}"


FITS = {
    "adam": {},
    "sgd": {"solver": "sgd"},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive"},
    "early stopping": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
    "no hidden layer": {"hidden_layer_sizes": ()},
}


def with_labels(X, y, name):
    """Return data of many types."""
    import pandas as pd

    return {
        "plain": lambda: (X, y),
        "float32": lambda: (X.astype(np.float32), y),
        "integers": lambda: ((10 * X).astype(int), y.astype(np.int32)),
        "csr": lambda: (csr_array(X), y),
        "two classes": lambda: (X, y > 0),
        "names": lambda: (X, np.array(["a", "bb", "c"])[y]),
        "objects": lambda: (X, np.array(["a", "bb", "c"], object)[y]),
        "one class": lambda: (X, np.ones(len(y))),
        "multilabel": lambda: (X, np.column_stack([y > 0, y > 1]).astype(np.int32)),
        "sparse labels": lambda: (X, csr_array(np.column_stack([y > 0, y > 1]) * 1)),
        "outputs": lambda: (X, np.column_stack([y, y]) + 0.5),
        "float32 targets": lambda: (X, y.astype(np.float32)),
        "frame": lambda: (cases.frame(X), pd.Series(y)),
    }[name]()


DATA = ("plain", "float32", "integers", "csr", "two classes", "names", "objects",
        "one class", "multilabel", "sparse labels", "outputs", "float32 targets", "frame")  # fmt: skip


def attributes(kind, parameters, name):
    """Return descriptions of all public attributes and results."""
    X, y = with_labels(*cases.data(), name)
    model = cases.small(kind, **parameters)
    found = {}
    try:
        model.fit(X, y)
        for method in ("predict", "predict_proba", "predict_log_proba"):
            if hasattr(model, method):
                found[method] = describe(getattr(model, method)(X))
                other = getattr(model, method)(np.ones((3, 4), np.float64))
                found[f"{method}, float64"] = describe(other)
        found["score"] = "sparse" if issparse(y) else describe(model.score(X, y))
    except (ValueError, TypeError) as error:
        found["error"] = str(error)
    fitted = {k: v for k, v in vars(model).items() if k not in model.get_params()}
    fitted["loss"] = getattr(model, "loss", "—")
    public = {k: describe(v) for k, v in fitted.items() if not k.startswith("_")}
    return found | public


# Errors, warnings, printed lines ---------------------------------------------------------


def outcome(case, kind):
    """Return what a case warns of, prints, returns or raises."""
    lines, printed = [], io.StringIO()
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(printed),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("always")
        try:
            result = case(kind, *cases.data())
            if isinstance(result, (str, bool, list, tuple)):
                lines.append(f"returns {result}")
        except Exception as error:  # noqa: BLE001  whatever it is, it is compared
            lines.append(f"{type(error).__name__}: {error}")
            if isinstance(error, AttributeError):  # available_if tells the reason so
                lines.append(f"from {error.__cause__!r}")
    told = dict.fromkeys(
        f"{w.category.__name__}: {w.message}"
        for w in caught
        if w.category is not RuntimeWarning  # NumPy's own: overflow, invalid
    )
    return sorted_sets("\n".join([*told, printed.getvalue(), *lines]))


def sorted_sets(text):
    """Return a text with {'b', 'a'} in order; sets are printed in any."""
    return re.sub(r"\{([^{}]*)\}", lambda m: ", ".join(sorted(m[1].split(", "))), text)


def differences(package):
    """Yield every difference between a package's estimators and scikit-learn's."""
    for name in cases.KINDS:
        ours, theirs = getattr(package, name), getattr(sk, name)
        yield from compared("constructor", name, constructor(ours), constructor(theirs))
        yield from compared("method", name, methods(ours), methods(theirs))
        yield from documentation(ours, theirs)
        tags = [flat(dataclasses.asdict(get_tags(kind()))) for kind in (ours, theirs)]
        yield from compared("tags", name, *tags)
        for way, given in FITS.items():
            for data in DATA if way in {"adam", "lbfgs"} else ("plain", "multilabel"):
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    found = [attributes(kind, given, data) for kind in (ours, theirs)]
                yield from compared("fitted", f"{name}, {way}, {data}", *found)
        tables = cases.PARAMETER_CASES | cases.DATA_CASES | cases.USE_CASES
        found = [
            {k: outcome(c, kind) for k, c in tables.items()} for kind in (ours, theirs)
        ]
        yield from compared("text", name, *found)


def flat(tags, prefix=""):
    found = {}
    for name, value in tags.items():
        nested = flat(value, f"{prefix}{name}.") if isinstance(value, dict) else None
        found |= nested or {prefix + name: value}
    return found


def main():
    import fastmlp

    found = [*differences(fastmlp)]
    for d in sorted(found, key=lambda d: (d.reason or "", d.key)):
        print(f"{d.key}\n    ours:   {d.ours!r}\n    theirs: {d.theirs!r}")
        print(f"    {d.reason or 'UNEXPLAINED'}\n")
    missing = sum(d.reason is None for d in found)
    print(f"{len(found)} differences, {missing} unexplained")
    return missing > 0


if __name__ == "__main__":
    sys.exit(main())
