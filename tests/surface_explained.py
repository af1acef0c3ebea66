"""Where our public surface is not scikit-learn's, and why: the table of surface.py."""

from __future__ import annotations

OWN_PARAMETERS = "batch_norm|dropout|initializer|n_threads|dtype"

# What differs (a regular expression for "topic: item"), and why.
EXPLAINED = {
    rf"(constructor|documented parameter): \w+\.({OWN_PARAMETERS})": (
        "a parameter of ours, keyword-only, whose default changes nothing"
    ),
    r"documented attribute: \w+\.batch_norm_(scale|shift|mean|var)_": (
        "exists with batch_norm only"
    ),
    r"method: \w+\.predictor": "ours, for services",
    r"method: \w+\.set_callbacks": "scikit-learn's callbacks, which its MLP lacks",
    r"text: \w+\.activation=.*": "our activations are among the known ones",
    r"text: \w+\.set_params, unknown": "our parameters are among the valid ones",
    r"text: \w+\.(no fit parameters|classes to fit)": (
        "Python names the base class, whose name is private in both packages"
    ),
    r"text: \w+\.hidden_layer_sizes=\(5.5,\)": (
        "the same type; tells the parameter, where scikit-learn passes on Python's text"
    ),
    r"text: \w+\.printed, lbfgs": (
        "verbose prints a line for each iteration; scikit-learn's prints nothing"
    ),
    r"fitted: \w+, lbfgs, float32\.(coefs_|intercepts_|predict\w*)": (
        "float32 stays float32, as with the other solvers"
    ),
    r"fitted: \w+, \w+, float32\.predict\w*, float64": (
        "the precision is that of the weights; scikit-learn's the larger of theirs and X's"
    ),
    r"text: \w+\.sample_weight zeros in a batch": (
        "a batch without weight changes nothing; scikit-learn divides by zero"
    ),
    r"text: MLPRegressor\.lbfgs, (hasattr )?partial_fit": (
        "lbfgs has no partial_fit, as in the classifier; scikit-learn forgets the check"
    ),
    r"text: MLPRegressor\.y (numbers as )?strings|fitted: MLPRegressor, \w+, names\..*": (
        "y is converted to numbers first; scikit-learn fails in its first loss, with a"
        " text of NumPy's and half the attributes set"
    ),
    r"text: MLPRegressor\.(partial_fit|warm_start), other outputs": (
        "the same type; tells the shapes, where scikit-learn passes on NumPy's text"
    ),
}
