"""What MLPClassifier does not have: dropout, AdamW, schedules of steps, clipping, smoothed labels.

The oracle is a trainer of a few lines of NumPy. Fits share widths (7, 4) and batches of 25.
"""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import clone
from sklearn.metrics import log_loss, mean_squared_error

from helpers import SETTINGS, assert_identical, drawn_parameters, is_kept, make_problem
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_problem("three classes")
X_VAL, Y_VAL = make_problem("three classes", n_samples=16, seed=1)
NUMBERS = np.stack([X[:, 0] * X[:, 1], X[:, 2]], axis=1)
NUMBER = NUMBERS[:, 0]

EVERYTHING = {
    **SETTINGS, "activation": "tanh", "solver": "adamw", "weight_decay": 0.5, "dropout": [0.4, 0.2],
    "learning_rate": "cosine", "warmup_epochs": 1.5, "max_grad_norm": 0.3, "label_smoothing": 0.1,
}  # fmt: skip


# --- the oracle --------------------------------------------------------------------------------------


def numpy_fit(model, X, targets, norms):
    """The parameters and the losses of epochs that a model with tanh units is to have after `fit`.

    The norms of the gradients are added to a list.
    """
    p = model.get_params()
    random_state = np.random.RandomState(p["random_state"])
    sizes = (X.shape[1], *p["hidden_layer_sizes"], targets.shape[1])
    parameters = [
        array
        for layer in drawn_parameters(sizes, "tanh", random_state, float, p["init"])
        for array in layer
    ]
    rates = np.broadcast_to(p["dropout"], len(sizes) - 2)
    seed = random_state.randint(2**31) if rates.any() else None
    slots = [[np.zeros_like(array)] * 2 for array in parameters]
    order, losses, step, rate = np.arange(len(X)), [], 0, p["learning_rate_init"]
    steps_per_epoch = -(-len(X) // p["batch_size"])
    is_classifier = isinstance(model, LowLevelMLPClassifier)
    smoothing = p.get("label_smoothing", 0)
    targets = (1 - smoothing) * targets + smoothing / targets.shape[1]

    for epoch in range(p["max_iter"]):
        order = order[random_state.permutation(len(X))]
        losses.append(0)
        for start in range(0, len(X), p["batch_size"]):
            rows = order[start : start + p["batch_size"]]
            kernels = parameters[::2]
            values, masks = [X[rows]], [np.ones_like(X[rows])]
            for i, (kernel, bias) in enumerate(zip(kernels, parameters[1::2])):
                outputs = values[-1] * masks[-1] @ kernel + bias
                if i < len(rates):
                    row, unit = np.indices(outputs.shape)
                    kept = is_kept(seed, step, i, row, unit, rate=rates[i]) if rates[i] else 1
                    values.append(np.tanh(outputs))
                    masks.append(kept / (1 - rates[i]))
            if is_classifier:
                outputs = softmax(outputs, axis=1)
                loss = -(targets[rows] * np.log(outputs)).sum()
            else:
                loss = ((outputs - targets[rows]) ** 2).mean(axis=1).sum() / 2
            losses[-1] += loss + p["alpha"] / 2 * sum((kernel**2).sum() for kernel in kernels)

            delta, gradients = (outputs - targets[rows]) / len(rows), []
            for value, mask, kernel in zip(values[::-1], masks[::-1], kernels[::-1]):
                decay = p["alpha"] * kernel / len(rows)
                gradients[:0] = (value * mask).T @ delta + decay, delta.sum(axis=0)
                delta = delta @ kernel.T * mask * (1 - value**2)
            norms.append(np.sqrt(sum((gradient**2).sum() for gradient in gradients)))
            if p["max_grad_norm"] is not None:
                gradients = [g * min(1, p["max_grad_norm"] / norms[-1]) for g in gradients]

            now, warmup = rate, p["warmup_epochs"] * steps_per_epoch
            if step < warmup:
                now *= min(1, (step + 1) / warmup)
            elif p["learning_rate"] == "cosine":
                over = (step - warmup) / (p["max_iter"] * steps_per_epoch - warmup)
                now *= (1 + np.cos(np.pi * over)) / 2
            step += 1
            for i, (array, gradient) in enumerate(zip(parameters, gradients)):
                mean, square = slots[i]
                if p["solver"] == "sgd":
                    mean = p["momentum"] * mean - now * gradient
                    parameters[i] = array + p["momentum"] * mean - now * gradient
                else:
                    mean = p["beta_1"] * mean + (1 - p["beta_1"]) * gradient
                    square = p["beta_2"] * square + (1 - p["beta_2"]) * gradient**2
                    if p["solver"] == "adamw" and array.ndim == 2:
                        array = array * (1 - now * p["weight_decay"])
                    size = now * np.sqrt(1 - p["beta_2"] ** step) / (1 - p["beta_1"] ** step)
                    parameters[i] = array - size * mean / (np.sqrt(square) + p["epsilon"])
                slots[i] = mean, square
        if p["learning_rate"] == "invscaling":
            rate = p["learning_rate_init"] / ((epoch + 1) * len(X) + 1) ** p["power_t"]
    return parameters, np.array(losses) / len(X)


def assert_trained_as_in_numpy(model, X, y, targets):
    """Return the norms of the gradients on the way."""
    norms = []
    model.fit(X, y)
    parameters, losses = numpy_fit(model, X, targets, norms)
    np.testing.assert_allclose(model.loss_curve_, losses, rtol=1e-9)
    for kernel, coef in zip(parameters[::2], model.coefs_, strict=True):
        np.testing.assert_allclose(coef, kernel, rtol=0, atol=1e-9)
    for bias, intercept in zip(parameters[1::2], model.intercepts_, strict=True):
        np.testing.assert_allclose(intercept, bias, rtol=0, atol=1e-9)
    return norms


@pytest.mark.parametrize(
    "changes",
    [{}, {"solver": "adam"}, {"dropout": 0.5, "learning_rate": "constant", "label_smoothing": 0.3}],
    ids=["everything", "adam", "other numbers"],
)
def test_a_classifier_is_trained_as_in_numpy(changes):
    model = LowLevelMLPClassifier(**EVERYTHING | changes)

    norms = assert_trained_as_in_numpy(model, X, Y, np.eye(3)[Y])

    assert min(norms) < model.max_grad_norm < max(norms)


def test_a_regressor_is_trained_as_in_numpy():
    model = LowLevelMLPRegressor(
        **SETTINGS, activation="tanh", solver="sgd", dropout=[0, 0.3], warmup_epochs=2, max_grad_norm=1
    )

    assert_trained_as_in_numpy(model, X, NUMBERS, NUMBERS)


def test_adamw_takes_the_schedules_of_sgd():
    model = LowLevelMLPClassifier(**EVERYTHING | {"learning_rate": "invscaling", "dropout": 0})

    assert_trained_as_in_numpy(model, X, Y, np.eye(3)[Y])


# --- dropout -----------------------------------------------------------------------------------------


def test_units_are_dropped_independently_at_the_rate():
    """Of each other, of the next sample, step, layer and seed: no correlation beyond 5 deviations."""
    axes = np.indices((4, 6, 3, 50, 40))
    kept = is_kept(*axes, rate=0.3).astype(float)

    assert abs(kept.mean() - 0.7) < 5 * np.sqrt(0.21 / kept.size)
    for axis in range(kept.ndim):
        for lag in (1, 2):
            first = np.take(kept, range(kept.shape[axis] - lag), axis) - 0.7
            second = np.take(kept, range(lag, kept.shape[axis]), axis) - 0.7
            assert abs((first * second).mean()) < 5 * 0.21 / np.sqrt(first.size)


def test_nothing_is_dropped_when_predicting_and_validating():
    """Nor is a label smoothed, so that the validation loss is the log-loss of the predictions."""
    model = LowLevelMLPClassifier(**EVERYTHING, early_stopping=True, scoring="loss")

    model.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)

    assert model.validation_scores_ == [-loss for loss in model.validation_loss_curve_]
    assert model.best_validation_score_ == max(model.validation_scores_)
    best = log_loss(Y_VAL, model.predict_proba(X_VAL))
    np.testing.assert_allclose(model.best_validation_score_, -best, rtol=1e-12)


def test_the_numbers_compile_nothing(compiles):
    model = LowLevelMLPClassifier(**EVERYTHING).fit(X, Y)
    compiles()

    for changes in (
        {"dropout": 0.1},
        {"dropout": [0, 0.9]},
        {"weight_decay": 0},
        {"warmup_epochs": 0},
        {"warmup_epochs": 2, "learning_rate": "adaptive"},
        {"max_grad_norm": 100},
        {"label_smoothing": 0.01},
        {"max_iter": 2},
        {"random_state": 7},
    ):
        clone(model).set_params(**changes).fit(X, Y)

    assert compiles() == 0


def test_without_dropout_the_draws_are_those_of_mlp_classifier():
    model = LowLevelMLPClassifier(**EVERYTHING).set_params(dropout=0.0).fit(X, Y)

    for rates in (0, (0.0, 0), np.zeros(2)):
        assert_identical(clone(model).set_params(dropout=rates).fit(X, Y), model)


# --- training that goes on ---------------------------------------------------------------------------


def test_calls_of_partial_fit_are_the_epochs_of_a_schedule():
    model = LowLevelMLPClassifier(**EVERYTHING, shuffle=False).set_params(dropout=0)
    whole, in_calls = clone(model).fit(X, Y), clone(model)

    for _ in range(model.max_iter):
        in_calls.partial_fit(X, Y, classes=range(3))

    for ours, expected in zip(in_calls.coefs_, whole.coefs_, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_a_warm_start_begins_the_schedule_anew():
    """With steps of no length at the end, it could not train if it went on with the old one."""
    model = LowLevelMLPClassifier(**EVERYTHING, warm_start=True).set_params(warmup_epochs=0)
    first = model.fit(X, Y).coefs_

    model.fit(X, Y)

    changes = [np.abs(new - old).max() for new, old in zip(model.coefs_, first, strict=True)]
    assert min(changes) > 0.01


@pytest.mark.parametrize("limit", [np.inf, 1e300])
def test_a_limit_beyond_the_range_of_the_dtype_clips_nothing(limit):
    X, y = make_problem()
    models = [
        LowLevelMLPClassifier(**SETTINGS, dtype="float32", max_grad_norm=each).fit(X, y)
        for each in (limit, None)
    ]
    assert_identical(*models)


# --- what early stopping watches ---------------------------------------------------------------------


def test_a_regressor_can_keep_the_epoch_of_the_lowest_loss():
    model = LowLevelMLPRegressor(**SETTINGS, early_stopping=True, scoring="loss")

    model.fit(X, NUMBER, X_val=X[:16], y_val=NUMBER[:16])

    lowest = mean_squared_error(NUMBER[:16], model.predict(X[:16])) / 2
    np.testing.assert_allclose(-model.best_validation_score_, lowest, rtol=1e-12)
    assert model.best_validation_score_ == max(model.validation_scores_)


STOPPING, ENDING = {"early_stopping": True}, {"early_stopping": False}


@pytest.mark.parametrize(
    ("model", "before", "after", "again"),
    [
        (LowLevelMLPClassifier(), STOPPING, {"scoring": "loss"}, "a warm start"),
        (LowLevelMLPClassifier(), STOPPING, ENDING, "a warm start"),
        (LowLevelMLPClassifier(), STOPPING, ENDING, "partial_fit"),
        (LowLevelMLPClassifier(), ENDING, STOPPING, "a warm start"),
        (LowLevelMLPRegressor(), STOPPING, {"loss": "absolute_error"}, "a warm start"),
        (LowLevelMLPRegressor("quantile"), STOPPING, {"quantile": 0.9}, "a warm start"),
        (LowLevelMLPRegressor(), ENDING, {"loss": "absolute_error"}, "a warm start"),
        (LowLevelMLPRegressor(), ENDING, {"loss": "absolute_error"}, "partial_fit"),
    ],
    ids=str,
)
def test_an_epoch_is_not_compared_with_the_best_by_another_criterion(model, before, after, again):
    y = Y if isinstance(model, LowLevelMLPClassifier) else NUMBER
    model = clone(model).set_params(**SETTINGS, warm_start=True, **before).fit(X, y)
    model._no_improvement_count = 5
    earlier, n_epochs = model.coefs_[0], len(model.loss_curve_)
    model.set_params(**after)

    if again == "partial_fit":
        model.set_params(early_stopping=False).partial_fit(X, y)
    else:
        model.fit(X, y)

    assert not np.array_equal(model.coefs_[0], earlier)
    assert model._no_improvement_count < 5
    if model.early_stopping:
        assert model.best_validation_score_ == max(model.validation_scores_[-model.n_iter_ :])
    else:
        assert model.best_loss_ == min(model.loss_curve_[n_epochs:])


def test_the_best_epoch_stays_the_one_to_beat_if_the_criterion_stays():
    model = LowLevelMLPRegressor(**SETTINGS, warm_start=True, early_stopping=True).fit(X, NUMBER)
    coefs, best = model.coefs_, model.best_validation_score_ + 1
    model.best_validation_score_ = best
    # The one counts in no score, the other only for another loss.
    model.set_params(alpha=0.1, quantile=0.9).fit(X, NUMBER)

    assert model.best_validation_score_ == best
    np.testing.assert_array_equal(model.coefs_[0], coefs[0])


@pytest.mark.parametrize("problem", ["binary", "three classes"])
def test_the_loss_of_lbfgs_is_that_of_smoothed_labels(problem):
    X, y = make_problem(problem)
    model = LowLevelMLPClassifier((7, 4), solver="lbfgs", label_smoothing=0.2, max_iter=5, alpha=0)
    probabilities = model.set_params(random_state=0).fit(X, y).predict_proba(X)
    hard = y[:, None] == model.classes_

    expected = -(0.8 * hard + 0.2 / hard.shape[1]) * np.log(probabilities)
    np.testing.assert_allclose(model.loss_, expected.sum(axis=1).mean(), rtol=1e-9)
