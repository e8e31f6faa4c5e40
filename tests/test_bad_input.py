"""What a user hears who passes something wrong, and that an earlier fit does not suffer for it."""

import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.neural_network import MLPClassifier
from sklearn.utils._param_validation import InvalidParameterError

from skdense import LowLevelMLPClassifier, fit_many
from skdense.datasets import make_two_clouds
from skdense.ensemble import CrossFitClassifier

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # NumPy's, where data overflow float32
]

X, y = make_two_clouds(50, random_state=0)
Y_MULTILABEL = np.column_stack([y, 1 - y])
MANY, LABELS = np.tile(X, (3, 1)), np.tile(y, 3)
"""Of these the first 200 are a batch for which batch_size="auto" has room too."""


def small(**parameters):
    return LowLevelMLPClassifier((4,), **{"max_iter": 3, "random_state": 0} | parameters)


@pytest.fixture
def fitted():
    return small().fit(X, y)


def replaced(array, value):
    """A copy of the array whose first entry is the value."""
    array = np.array(array, dtype=float)
    array.flat[0] = value
    return array


def assert_refused(model, call, error=ValueError, match=None):
    """The call raises, and leaves every attribute of the model and its predictions as they were."""
    before = pickle.dumps(vars(model))
    probabilities = model.predict_proba(X)
    with pytest.raises(error, match=match) as caught:
        call()
    assert pickle.dumps(vars(model)) == before
    np.testing.assert_array_equal(model.predict_proba(X), probabilities)
    return str(caught.value)


BAD_PARAMETERS = [
    ("hidden_layer_sizes", 0, "an int in the range [1, inf)"),
    ("hidden_layer_sizes", 2.5, "an int in the range [1, inf)"),
    ("hidden_layer_sizes", "10", "an array-like or an int"),
    ("hidden_layer_sizes", None, "an array-like or an int"),
    ("hidden_layer_sizes", (4, 0), "positive int"),
    ("hidden_layer_sizes", (2.5,), "positive int"),
    ("hidden_layer_sizes", [[4]], "positive int"),
    ("activation", "swish", "relu"),
    ("solver", "rmsprop", "adam"),
    ("alpha", -1, "[0.0, inf)"),
    ("alpha", np.nan, "[0.0, inf)"),
    ("batch_size", 0, "'auto'"),
    ("batch_size", 2.5, "an int in the range [1, inf)"),
    ("learning_rate", "linear", "adaptive"),
    ("learning_rate_init", 0, "(0.0, inf)"),
    ("learning_rate_init", np.inf, "(0.0, inf)"),
    ("power_t", -1, "[0.0, inf)"),
    ("max_iter", 0, "[1, inf)"),
    ("shuffle", "yes", "bool"),
    ("random_state", "zero", "RandomState"),
    ("tol", -1, "[0.0, inf)"),
    ("verbose", -1, "[0, inf)"),
    ("warm_start", "yes", "bool"),
    ("momentum", 1.5, "[0.0, 1.0]"),
    ("nesterovs_momentum", "yes", "bool"),
    ("early_stopping", "yes", "bool"),
    ("validation_fraction", 1.0, "[0.0, 1.0)"),
    ("beta_1", 1.0, "[0.0, 1.0)"),
    ("beta_2", -0.1, "[0.0, 1.0)"),
    ("epsilon", 0, "(0.0, inf)"),
    ("n_iter_no_change", 0, "[1, inf)"),
    ("max_fun", 0, "[1, inf)"),
    ("dtype", "float16", "float32"),
    ("loss", "hinge", "log_loss"),
    ("init", "zeros", "glorot_uniform"),
    ("class_weight", "heavy", "balanced"),
    ("class_weight", [1, 2], "dict"),
    ("n_init", 0, "[1, inf)"),
    ("dropout", 1.0, "[0.0, 1.0)"),
    ("dropout", None, "an array-like"),
    ("dropout", [1.5], "[0, 1)"),
    ("dropout", ["half"], "[0, 1)"),
    ("dropout", [0.5, 0.25], "1 hidden layers, got"),
    ("weight_decay", -0.1, "[0.0, inf)"),
    ("warmup_epochs", -1, "[0.0, inf)"),
    ("label_smoothing", 1.0, "[0.0, 1.0)"),
    ("max_grad_norm", 0, "(0.0, inf)"),
]


@pytest.mark.parametrize(("name", "value", "remedy"), BAD_PARAMETERS)
def test_a_bad_parameter_is_named_with_what_it_got_and_what_would_do(fitted, name, value, remedy):
    good = fitted.get_params()[name]
    probabilities = fitted.predict_proba(X)
    fitted.set_params(**{name: value})
    before = pickle.dumps(vars(fitted))
    with pytest.raises(ValueError, match=name) as caught:
        fitted.fit(X, y)
    got = list(value) if isinstance(value, tuple) else value
    assert repr(got) in str(caught.value)
    assert remedy in str(caught.value)
    assert pickle.dumps(vars(fitted)) == before
    fitted.set_params(**{name: good})
    np.testing.assert_array_equal(fitted.predict_proba(X), probabilities)
    theirs = MLPClassifier(max_iter=1)
    if name in theirs.get_params():
        with pytest.raises((ValueError, TypeError)):
            theirs.set_params(**{name: value}).fit(X, y)


@pytest.mark.parametrize(("name", "value", "remedy"), BAD_PARAMETERS[::12])
def test_the_first_partial_fit_refuses_bad_parameters_too(name, value, remedy):
    """Later ones do not look again: scikit-learn's rule, since they may come by the thousand."""
    model = small(**{name: value}) if name != "hidden_layer_sizes" else LowLevelMLPClassifier(value)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=name) as caught:
        model.partial_fit(X, y, classes=[0, 1])
    assert remedy in str(caught.value)
    assert vars(model) == before


def test_a_bool_is_no_width(fitted):
    for widths in (True, (True,)):
        fitted.set_params(hidden_layer_sizes=widths)
        with pytest.raises((ValueError, TypeError), match="hidden_layer_sizes"):
            fitted.fit(X, y)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"solver": "lbfgs", "dropout": 0.5}, "use 'adam'"),
        ({"loss": "squared_error", "label_smoothing": 0.1}, "label_smoothing needs loss='log_loss'"),
    ],
)
def test_what_a_solver_or_loss_cannot_do_is_refused_and_not_ignored(fitted, settings, remedy):
    fitted.set_params(**settings)

    assert_refused(fitted, lambda: fitted.fit(X, y), match=remedy)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (np.float32, "float32"),
        (np.dtype("float32"), "float32"),
        (np.float64, "float64"),
        ("float64", "float64"),
    ],
)
def test_dtype_is_a_name_or_a_type_or_a_dtype_of_numpy(dtype, name):
    model = small(dtype=dtype)
    assert model.get_params()["dtype"] is dtype
    assert type(clone(model).dtype) is type(dtype)
    assert pickle.loads(pickle.dumps(model)).fit(X, y).coefs_[0].dtype == name
    many = fit_many([small(dtype=dtype), small(dtype=name)], X, y)
    np.testing.assert_array_equal(many[0].coefs_[0], many[1].coefs_[0])


@pytest.mark.parametrize("dtype", [np.float16, np.dtype(">f4"), int, "int32", 32, np.zeros(2), {}, "x"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(InvalidParameterError, match=r"'dtype' parameter .*'float32'"):
        small(dtype=dtype).fit(X, y)


@pytest.mark.parametrize("parameters", [{"early_stopping": True}, {}, {"solver": "lbfgs"}])
def test_scoring_must_be_ours_or_a_scorer_also_without_validation_samples(parameters):
    with pytest.raises(ValueError, match=r"scoring must be None, 'loss' or a scorer: 'auc'"):
        small(scoring="auc", **parameters).fit(X, y)


def test_a_name_that_is_unknown_is_answered_with_all_names_in_their_order():
    names = "identity logistic tanh relu leaky_relu elu selu gelu silu mish"
    with pytest.raises(InvalidParameterError, match=", ".join(map(repr, names.split()))):
        small(activation="ReLU").fit(X, y)


BAD_DATA = {
    "NaN in X": (replaced(X, np.nan), y, "Input X contains NaN"),
    "infinity in X": (replaced(X, np.inf), y, "Input X contains infinity"),
    "too large for float32": (X.astype(float) * 1e300, y, "too large for dtype\\('float32'\\)"),
    "text in X": (np.full(X.shape, "a"), y, "could not convert string to float"),
    "complex X": (X + 1j, y, "Complex data not supported"),
    "1-D X": (X[:, 0], y, "Expected 2D array, got 1D array"),
    "3-D X": (X[None], y, "Found array with dim 3"),
    "no samples": (X[:0], y[:0], "0 sample"),
    "no features": (X[:, :0], y, "0 feature"),
    "no y": (X, None, "LowLevelMLPClassifier estimator requires y to be passed"),
    "short y": (X, y[:-1], "inconsistent numbers of samples"),
    "NaN in y": (X, replaced(y, np.nan), "Input y contains NaN"),
    "NaN among labels": (X, np.array([np.nan, *y[1:]], dtype=object), "Input y contains NaN"),
    "continuous y": (X, X[:, 0], "Unknown label type"),
    "several multiclass outputs": (X, np.column_stack([y, 2 + y]), "Multioutput"),
}


@pytest.mark.parametrize(("bad_X", "bad_y", "match"), BAD_DATA.values(), ids=BAD_DATA)
def test_bad_data_is_refused_and_an_earlier_fit_stays_or_a_first_one_leaves_no_trace(
    bad_X, bad_y, match
):
    model = small(dtype="float32")
    before = dict(vars(model))
    with pytest.raises(ValueError, match=match):
        model.fit(bad_X, bad_y)
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X, y)
    assert_refused(model, lambda: model.fit(bad_X, bad_y), match=match)


@pytest.mark.parametrize("method", ["fit", "predict"])
def test_nan_names_the_estimators_for_tables_before_those_of_scikit_learn(fitted, method):
    arguments = (replaced(X, np.nan), y) if method == "fit" else (replaced(X, np.nan),)
    message = assert_refused(fitted, lambda: getattr(fitted, method)(*arguments))
    assert message.startswith("Input X contains NaN.\nskdense.TabularClassifier and ")
    assert "HistGradientBoosting" in message


def as_frame(column):
    return pd.DataFrame({"number": np.arange(float(len(y))), "column": column})


@pytest.mark.parametrize("make", [small, lambda: CrossFitClassifier(small(), cv=2)])
@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (["Busan"] * len(y), ValueError, "could not convert string to float: 'Busan'"),
        (pd.Categorical(["a"] * len(y)), ValueError, "could not convert string to float"),
        (pd.date_range("2020", periods=len(y)), TypeError, "DateTime64DType"),
        (pd.date_range("2020", periods=len(y)).date, TypeError, "datetime.date"),
    ],
    ids=["strings", "categories", "dates", "dates as objects"],
)
def test_columns_that_are_no_numbers_name_what_takes_them(make, column, error, message):
    with pytest.raises(error, match=message) as caught:
        make().fit(as_frame(column), y)
    assert "skdense.TabularClassifier and skdense.TabularReg" in str(caught.value)


def test_numbers_written_as_text_are_taken_where_mlpclassifier_takes_them():
    """That is by fit and partial_fit; prediction refuses text, unless it comes as Python objects."""
    text = X.astype(str)
    theirs = MLPClassifier((4,), max_iter=3, random_state=0).fit(text, y)
    ours = small().fit(text, y).partial_fit(text, y)
    for model in (theirs, ours):
        for method in (model.predict, model.predict_proba, model.predict_log_proba):
            with pytest.raises(ValueError, match="not compatible with arrays of bytes/strings"):
                method(text)
            method(text.astype(object))


BAD_WEIGHTS = {
    "negative": (-np.ones(len(y)), "Negative values"),
    "one negative": (replaced(np.ones(len(y)), -1), "Negative values"),
    "NaN": (replaced(np.ones(len(y)), np.nan), "sample_weight contains NaN"),
    "infinite": (replaced(np.ones(len(y)), np.inf), "sample_weight contains infinity"),
    "short": (np.ones(len(y) - 1), "sample_weight"),
    "2-D": (np.ones((len(y), 1)), "Sample weights must be 1D"),
    "all zero": (np.zeros(len(y)), "at least one non-zero"),
}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("weights", "match"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_sample_weights_are_refused(fitted, weights, match, method):
    assert_refused(fitted, lambda: getattr(fitted, method)(X, y, sample_weight=weights), match=match)


@pytest.mark.parametrize(
    ("class_weight", "weights", "match"),
    [
        ({7: 1}, None, "class_weight.*7"),
        ({0: 1, 7: 2}, None, "class_weight.*7"),
        ({0: -1, 1: 1}, None, "class_weight"),
        ({0: np.nan, 1: 1}, None, "class_weight"),
        ({0: np.inf, 1: 1}, None, "class_weight"),
        ({0: 0, 1: 0}, None, "class_weight"),
        ({0: "a"}, None, r"class_weight=.* cannot be used: could not convert string to float: 'a'"),
        ({0: 0}, (y == 0).astype(float), "class_weight"),
    ],
    ids=["unknown", "one unknown", "negative", "NaN", "infinite", "all zero", "text", "none left"],
)
def test_bad_class_weights_are_refused(fitted, class_weight, weights, match):
    fitted.set_params(class_weight=class_weight)
    assert_refused(fitted, lambda: fitted.fit(X, y, weights), match=match)


def test_weights_that_are_all_zero_in_float32_are_refused():
    clf = small(dtype="float32").fit(X, y)
    weights = np.full(len(y), 1e-40)
    match = "are below 1.2e-38, the smallest normal number of float32"
    assert_refused(clf, lambda: clf.fit(X, y, weights), match=match)
    clf.set_params(dtype="float64", alpha=0).fit(X, y, weights)
    np.testing.assert_allclose(clf.loss_curve_, clf.fit(X, y).loss_curve_)


def test_the_first_partial_fit_needs_the_classes_also_where_weights_were_set_by_hand(fitted):
    by_hand = small()
    by_hand.coefs_, by_hand.intercepts_ = fitted.coefs_, fitted.intercepts_
    for model in (small(), by_hand):
        with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
            model.partial_fit(X, y)
        assert not hasattr(model, "classes_")
        assert list(model.partial_fit(X, y, classes=[0, 1]).classes_) == [0, 1]


def test_partial_fit_refuses_labels_that_are_not_among_the_classes(fitted):
    message = assert_refused(fitted, lambda: fitted.partial_fit(X, y + 1), match="has classes not in")
    assert "[0 1]" in message
    assert "[1 2]" in message
    first = small()
    with pytest.raises(ValueError, match="has classes not in"):
        first.partial_fit(X, y + 1, classes=[0, 1])
    assert not hasattr(first, "classes_")


@pytest.mark.parametrize(
    ("settings", "classes", "message"),
    [
        ({}, [0, 1, 2], "not the same as on last call"),
        ({"early_stopping": True}, None, "does not support early_stopping=True"),
    ],
)
def test_partial_fit_refuses_other_classes_and_early_stopping(fitted, settings, classes, message):
    fitted.set_params(**settings)
    assert_refused(fitted, lambda: fitted.partial_fit(X, y, classes=classes), match=message)


def test_training_that_goes_on_refuses_changed_widths(fitted):
    fitted.set_params(hidden_layer_sizes=(5,), warm_start=True)
    for method in (fitted.fit, fitted.partial_fit):
        message = assert_refused(fitted, lambda fit=method: fit(X, y), match="hidden_layer_sizes")
        assert "(2, 5, 1)" in message
        assert "(2, 4, 1)" in message


@pytest.mark.parametrize("first", [False, True], ids=["later call", "first call"])
def test_partial_fit_with_warm_start_refuses_a_subset_of_the_classes_as_there(first):
    models = [small(warm_start=True), MLPClassifier((4,), max_iter=3, random_state=0, warm_start=True)]
    zeros, messages = y == 0, []
    for model in models:
        if not first:
            model.partial_fit(X, y, classes=[0, 1])
        with pytest.raises(ValueError, match="warm_start can only be used where") as caught:
            model.partial_fit(X[zeros], y[zeros], classes=[0, 1])
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    models[0].partial_fit(X, y, classes=[0, 1])
    models[0].set_params(warm_start=False).partial_fit(X[zeros], y[zeros])


@pytest.mark.parametrize("labels", [np.arange(100) % 3, np.zeros(100, int), y + 1])
def test_a_warm_start_refuses_other_classes(fitted, labels):
    fitted.set_params(warm_start=True)
    message = assert_refused(
        fitted,
        lambda: fitted.fit(X, labels),
        match="warm_start can only be used where `y` has the same classes as in the previous",
    )
    assert "[0 1]" in message
    assert str(np.unique(labels)) in message


THREE = np.arange(100) % 3
THREE_LABELS = np.eye(3, dtype=int)[THREE]


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        (y, Y_MULTILABEL, "one-dimensional"),
        (y, csr_array(Y_MULTILABEL), "one-dimensional"),
        (THREE, THREE_LABELS, "one-dimensional"),
        (Y_MULTILABEL, y, "an indicator matrix"),
        (THREE_LABELS, THREE, "an indicator matrix"),
    ],
)
def test_training_that_goes_on_refuses_several_labels_after_one_and_one_after_several(
    first, later, expected
):
    model = small().fit(X, first)
    for warm_start in (False, True):
        model.set_params(warm_start=warm_start)
        assert_refused(model, lambda: model.partial_fit(X, later), match=f"y must be {expected}")
    assert_refused(model, lambda: model.fit(X, later), match=f"y must be {expected}")
    model.set_params(warm_start=False).fit(X, later)


@pytest.mark.parametrize(
    ("fraction", "labels"),
    [(0.001, y), (0.001, np.arange(100) % 3), (0.001, Y_MULTILABEL), (0.0, y)],
    ids=["binary", "multiclass", "multilabel", "nothing set aside"],
)
def test_a_validation_set_that_is_too_small_names_the_fraction(fraction, labels, fitted):
    fitted.set_params(early_stopping=True, validation_fraction=fraction)
    assert_refused(fitted, lambda: fitted.fit(X, labels), match="validation_fraction")


def test_a_batch_size_beyond_the_samples_warns_and_is_clipped(recwarn):
    X, y = MANY[:200], LABELS[:200]
    whole = small(batch_size=200).fit(X, y)
    assert not [w for w in recwarn if "batch_size" in str(w.message)]
    with pytest.warns(UserWarning, match="batch_size"):
        clipped = small(batch_size=201).fit(X, y)
    np.testing.assert_array_equal(clipped.coefs_[0], whole.coefs_[0])


def diverging(**parameters):
    return LowLevelMLPClassifier(
        (4,), "identity", solver="sgd", loss="squared_error", learning_rate_init=10, random_state=0,
        **parameters,
    )  # fmt: skip


def test_divergence_says_from_which_epoch_and_what_helps(fitted):
    model = fitted.set_params(**diverging(max_iter=200).get_params())
    message = assert_refused(model, lambda: model.fit(X, y), match="non-finite parameter weights")
    epoch = int(re.search(r"not finite from epoch (\d+) on", message)[1])
    assert "learning_rate_init=10 is too large" in message
    # Stopped there, the weights are still finite, so the curve can be seen.
    finite = np.isfinite(diverging(max_iter=epoch).fit(X, y).loss_curve_)
    assert finite.tolist() == [True] * (epoch - 1) + [False]


def test_divergence_in_partial_fit_keeps_the_model_that_was():
    model = clone(diverging()).partial_fit(X * 1e-3, y, classes=[0, 1])
    assert_refused(
        model, lambda: model.partial_fit(X * np.float32(1e30), y), match="non-finite parameter weights"
    )


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_column_of_labels_warns_at_the_users_line_as_mlpclassifier_does(method):
    arguments = {"classes": [0, 1]} if method == "partial_fit" else {}
    messages = []
    for model in (small(), MLPClassifier((4,), max_iter=3, random_state=0)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(model, method)(X, y[:, None], **arguments)
        (warning,) = [w for w in caught if w.category is DataConversionWarning]
        messages.append(str(warning.message))
        if isinstance(model, LowLevelMLPClassifier):
            assert warning.filename == __file__
    assert messages[0] == messages[1]


def test_a_column_of_validation_labels_is_named():
    with pytest.warns(DataConversionWarning, match="column-vector y_val"):
        small().fit(X, y, X_val=X[:10], y_val=y[:10, None])


class _Wrapped(LowLevelMLPClassifier):
    def fit(self, X, y):
        return super().fit(X, y)


def test_the_callers_line_is_the_innermost_outside_of_the_package():
    """A subclass is its author's code; what runs within the package is not, however deep."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _Wrapped((4,), max_iter=3).fit(X, y[:, None])
    (warning,) = [w for w in caught if w.category is DataConversionWarning]
    line = Path(__file__).read_text().splitlines()[warning.lineno - 1]
    assert line.strip() == "return super().fit(X, y)"
