"""scikit-learn's callbacks: a task for the fit, and one within it for each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._architecture import copied_arrays


class FitCallbacks:
    """Reports a fit to the callbacks that are set on an estimator.

    Made only where there are any. Callbacks see the data as `fit` was given them.
    """

    def __init__(self, model: Any, X: Any, y: Any, sample_weight: Any) -> None:
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._facts = {"estimator": model, "X": X, "y": y, "metadata": metadata}
        self._fit = model._init_callback_context(max_subtasks=model.max_iter)
        self._fit.call_on_fit_task_begin(**self._facts)
        self._epoch: Any = None

    def begin_epoch(self) -> None:
        """Begin the task of an epoch, unless one is under way."""
        if self._epoch is None:
            self._epoch = self._fit.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._facts)

    def end_epoch(self, update: Callable[[], object]) -> bool:
        """End the epoch's task; return whether a callback asks to stop.

        Parameters
        ----------
        update : callable
            Brings the model's arrays up to date; called only for those callbacks that
            look at the fitted estimator, and these get a copy.
        """

        def attributes() -> dict[str, Any]:
            update()
            return copied_arrays(self._facts["estimator"])

        epoch, self._epoch = self._epoch, None
        return bool(
            epoch.call_on_fit_task_end(
                **self._facts, reconstruction_attributes=attributes
            )
        )

    def close(self) -> None:
        """End the task of an epoch that was begun in vain, and that of the fit."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(estimator=self._facts["estimator"])
        self._fit.call_on_fit_task_end(**self._facts, reconstruction_attributes={})
