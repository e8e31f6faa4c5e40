"""What ensembles learn out of fold for their predictions: temperatures, and the weights of a blend.

It also rescales sample weights and scales y.
`docs/benchmarks/decisions.md` has the measurements behind the constants.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog, minimize, minimize_scalar
from scipy.special import log_softmax, logsumexp
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor
from sklearn.utils import gen_batches

from skdense.core.formulas.losses import LOSSES
from skdense.final_step import final_step, transforms_y


def rescaled_weights(weights):
    """The weights that members are fitted to: shares are multiplied so that their mean is 1.

    As in scikit-learn, a sample of weight 2 is two equal samples for a member, whose penalty is
    compared with the sum of the weights. But shares would leave nothing beside the penalty. So if the
    positive weights have a mean below 1, each of their samples counts once in the mean.
    """
    positive = weights[weights > 0]
    return weights * max(1, len(positive) / positive.sum())


def effective_rows(row_weights):
    """How many samples the weights are worth, for standard errors and levels of quantiles.

    It is the number of samples of equal weight whose mean is as precise as the weighted one (Kish,
    1965). Only the ratios of the weights matter. For priors, as for the penalties of members, a weight
    counts samples instead, so that a sample of weight 2 is two equal samples, as in scikit-learn.
    """
    return row_weights.sum() ** 2 / np.sum(row_weights**2)


# --- the temperature: one number that divides a classifier's logits -----------------------------------

_LOG_TEMPERATURES = (-1.5, 1.5)
"""The bounds of the logarithm: if all samples are predicted right, the log-loss has no minimum."""
_PRIOR = 0.3
"""The standard deviation of a normal prior on the logarithm, which counts as much as a few samples."""
_BLOCK = 2**15
"""How many samples are divided at a time, which takes little memory."""


def as_logs(probabilities):
    """The logarithms of probabilities, none of which is -inf."""
    return np.log(np.maximum(probabilities, np.finfo(float).eps))


def probabilities_at(temperature, log_probabilities):
    """The probabilities if the logits are divided by a temperature.

    They are in float64, so that their sums are 1 as precisely as metrics demand.
    """
    probabilities = np.empty(log_probabilities.shape)
    for rows in gen_batches(len(probabilities), _BLOCK):
        logits = np.divide(log_probabilities[rows], temperature, dtype=np.float64)
        probabilities[rows] = np.exp(log_softmax(logits, axis=1))
    return probabilities


def loss_and_accuracy(probabilities, class_numbers, row_weights):
    """The log-loss and the accuracy of probabilities."""
    losses = -as_logs(probabilities[np.arange(len(class_numbers)), class_numbers])
    is_right = probabilities.argmax(axis=1) == class_numbers
    loss, accuracy = (float(np.average(row, weights=row_weights)) for row in (losses, is_right))
    return loss, accuracy


def learn_temperature(log_probabilities, class_numbers, row_weights, model_weights=(1.0,)):
    """The most probable temperature of the weighted mean of models, by its log-loss.

    `log_probabilities` has an array of shape `(n_samples, n_classes)` for each model, and
    `class_numbers` the column of each sample's class.
    """
    penalty = 1 / (2 * _PRIOR**2 * row_weights.sum())

    def objective(logarithm):
        log_likelihoods = np.empty((len(model_weights), len(class_numbers)))
        for model, log_proba in enumerate(log_probabilities):
            for rows in gen_batches(len(class_numbers), _BLOCK):
                logits = np.divide(log_proba[rows], np.exp(logarithm), dtype=np.float64)
                logs = log_softmax(logits, axis=1)
                log_likelihoods[model, rows] = logs[np.arange(len(logs)), class_numbers[rows]]
        mean_log_likelihood = logsumexp(log_likelihoods.T, axis=1, b=model_weights)
        return penalty * logarithm**2 - np.average(mean_log_likelihood, weights=row_weights)

    best = minimize_scalar(objective, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(best.x))


# --- the weights of a blend --------------------------------------------------------------------------

_LEAST_WEIGHT = 0.001
"""A model of less weight is left out, unless the objective would rise by more than `_PRECISION`."""
_PRECISION = 1e-7
"""How close the objective is to its lowest value, as a share of that of the best single model."""
_FAR_OFF = 1e4
"""A model is left out if its loss is this many times the best one's: it would only add noise."""
_SURE = 3
"""By how many standard errors others must be better than constant models, which have no weight then."""
_MOST_CUTS = 500
"""The most tangents of the search by cutting planes; blends of six models take about 50."""


def best_weights(outputs, loss, slope, is_smooth, value_weights, n_rows, is_constant, prior):
    """The weights of models with the lowest mean loss, none of them negative and their sum 1.

    The mean loss grows by `prior` times the squared distance to prior weights. These are equal, but
    constant models have half of them. Constant models have no weight if the others are clearly better.

    Parameters
    ----------
    outputs : ndarray of shape (n_models, n_samples, n_outputs)
        What the models predict, out of fold.
    loss, slope : callable
        The loss of each number in an array `(n_samples, n_outputs)`, convex, and its derivative.
    is_smooth : bool
        Whether the derivative is continuous.
    value_weights : ndarray of shape (n_samples, n_outputs)
        The weights of the losses in their mean.
    n_rows : float
        How many samples of equal weight these weights are worth.
    is_constant : ndarray of bool, of shape (n_models,)
        Whether a model predicts the same for all samples.
    prior : float
        The weight of the prior, compared with the mean loss.

    Returns
    -------
    model_weights : ndarray of shape (n_models,)
        The weights.
    """
    with np.errstate(over="ignore"):  # of predictions that are far off
        single = np.array([np.sum(value_weights * loss(output)) for output in outputs])
    lowest = single.min()
    is_near = (single < _FAR_OFF * lowest) | (single == lowest)

    def best_near(prior_weights):
        chosen = np.flatnonzero(prior_weights)
        chosen_outputs, center = outputs[chosen], prior_weights[chosen]

        def objective(model_weights):
            mixed = np.tensordot(model_weights, chosen_outputs, axes=1)
            distances = model_weights - center
            value = np.sum(value_weights * loss(mixed)) + prior * distances @ distances
            gradient = np.tensordot(chosen_outputs, value_weights * slope(mixed), axes=2)
            return value, gradient + 2 * prior * distances

        best_single = np.eye(len(chosen))[single[chosen].argmin()]
        model_weights = np.zeros(len(outputs))
        model_weights[chosen] = _lowest_on_simplex(objective, best_single, is_smooth)
        return model_weights

    def shares(is_chosen):
        return is_chosen / is_chosen.sum()

    constant, others = is_near & is_constant, is_near & ~is_constant
    if not constant.any() or not others.any():
        return best_near(shares(is_near))
    model_weights = best_near(shares(others))

    def losses_of_samples(weights):
        return np.sum(value_weights * loss(np.tensordot(weights, outputs, axes=1)), axis=1)

    # Each term is the gain of a sample, times the sample's share of all weights.
    terms = losses_of_samples(shares(constant)) - losses_of_samples(model_weights)
    sample_shares = value_weights.sum(axis=1) / value_weights.sum()
    gain = terms.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        deviations = np.where(sample_shares > 0, terms / sample_shares - gain, 0)
    error = np.sqrt(sample_shares @ deviations**2 / n_rows)
    return model_weights if gain > _SURE * error else best_near((shares(constant) + shares(others)) / 2)


def _lowest_on_simplex(objective, vertex, is_smooth):
    """The weights at the lowest value of a convex function that returns its value and gradient.

    The search begins at a vertex, whose value is the unit, and returns it if no method succeeds.
    """
    unit = objective(vertex)[0]
    if len(vertex) == 1 or unit == 0:
        return vertex

    def scaled(weights):
        value, gradient = objective(weights)
        return value / unit, gradient / unit

    result = minimize(
        scaled,
        vertex,
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * len(vertex),
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-10},
    )
    weights = np.clip(result.x, 0, 1)
    weights /= weights.sum()
    if not (result.success and is_smooth):  # a kink may end the search early
        begin = weights if scaled(weights)[0] < 1 else vertex
        weights, success = _lowest_by_cutting_planes(scaled, begin)
        if not success:
            return vertex
    rounded = np.where(weights < _LEAST_WEIGHT, 0, weights)
    rounded /= rounded.sum()
    return rounded if scaled(rounded)[0] <= scaled(weights)[0] + _PRECISION else weights


def _lowest_by_cutting_planes(objective, weights):
    """Minimize a convex function on the simplex by cutting planes (Kelley, 1960); return the success.

    All tangents are lower bounds. The next point is between the best one and the minimum of the bounds,
    which ends the search when it is close to the best value.
    """
    n_weights, best_value, best, tangents, offsets = len(weights), np.inf, weights, [], []
    for _ in range(_MOST_CUTS):
        value, gradient = objective(weights)
        if value < best_value:
            best_value, best = value, weights
        tangents.append([*gradient, -1])
        offsets.append(gradient @ weights - value)
        bound = linprog(
            [0] * n_weights + [1],
            tangents,
            offsets,
            [[1] * n_weights + [0]],
            [1],
            [(0, 1)] * n_weights + [(None, None)],
        )
        if not bound.success:
            return best, False
        if best_value - bound.fun <= _PRECISION:
            return best, True
        weights = 0.7 * best + 0.3 * bound.x[:-1]
    return best, False


# --- the scale of y -----------------------------------------------------------------------------------

_POSITIVE = {name for name, loss in LOSSES["regression"].items() if loss.output == "exp"}
_POSITIVE |= {"gamma", "tweedie", "loglinquantile"}
"""The losses of positive predictions. Networks have none of the last three, trees do."""
_ABSOLUTE = {"mape", "mean_absolute_percentage_error", "msle", "squaredlogerror", "logistic"}
_ABSOLUTE |= {"cross_entropy", "xentropy", "cross_entropy_lambda", "xentlambda"}
_ABSOLUTE |= {"survival", "cox", "survivalaft"}
"""Losses of trees that depend on where 0 and 1 are, or on the sign of y."""
NAMES_OF_OBJECTIVE = ("loss", "application", "app", "objective_type", "objective")
"""LightGBM's parameters that may name the loss. If one of the others is set, `objective` is ignored."""


class RegressionLoss(NamedTuple):
    """How a regressor's loss allows y to be scaled.

    Attributes
    ----------
    text : str
        The loss as ``name=value``, or the regressor if no parameter names the loss, for errors.
    is_positive : bool
        Whether all predictions are positive, since the regressor adds up their logarithms.
    is_absolute : bool
        Whether y cannot be scaled: the loss depends on where its zero is, or the regressor transforms
        y, by a logarithm for instance.
    """

    text: str
    is_positive: bool
    is_absolute: bool


def regression_loss(estimator):
    """How a regressor's loss allows y to be scaled.

    LightGBM and XGBoost call the loss `objective` ("count:poisson"), CatBoost `loss_function`
    ("Tweedie:variance_power=1.5") and forests `criterion`. A search has the loss of its estimator. With
    `reg_sqrt`, LightGBM is fitted to the square root of y.
    """
    if transforms_y(estimator):
        return RegressionLoss(str(estimator), is_positive=False, is_absolute=True)
    estimator = final_step(estimator)
    within = getattr(estimator, "estimator", None)
    if hasattr(within, "get_params") and not isinstance(within, type):
        return regression_loss(within)
    params = estimator.get_params(deep=False)
    takes_root = bool(params.get("reg_sqrt"))
    for name in (*NAMES_OF_OBJECTIVE, "loss_function", "criterion"):
        if (value := params.get(name)) is not None:
            words = {*str(value).lower().split(":")}
            # skorch's `criterion` is a class of torch, and CatBoost's own losses are objects.
            is_own = (callable(value) and not isinstance(value, type)) or hasattr(
                value, "calc_ders_range"
            )
            is_absolute = takes_root or is_own or not _ABSOLUTE.isdisjoint(words)
            is_positive = not _POSITIVE.isdisjoint(words)
            return RegressionLoss(f"{name}={value!r}", is_positive, is_absolute)
    is_positive = isinstance(estimator, PoissonRegressor | GammaRegressor)
    if isinstance(estimator, TweedieRegressor):
        is_positive = estimator.power >= 1 or estimator.link == "log"
    return RegressionLoss(str(estimator), is_positive, takes_root)


def loss_params(model):
    """The parameters of the loss of a model whose `relative_delta` is for a y of deviation 1."""
    return {"loss": model.loss, "quantile": model.quantile, "delta": model.relative_delta}


def loss_named(params):
    """The loss that parameters name, and a list of its number, if it has one; or the squared error."""
    known = LOSSES["regression"]
    loss = known.get(str(params.get("loss")), known["squared_error"])
    if loss.number_name is None:
        return loss, []
    if loss.number_name not in params:
        return known["squared_error"], []
    return loss, [params[loss.number_name]]


def scale_of(estimator, y, row_weights):
    """What to subtract from y, and what to divide the result by, as the loss of the estimator allows.

    y gets mean 0 and variance 1, or mean 1 if its predictions are positive, which cannot be shifted; or
    it stays as it is.
    """
    loss = regression_loss(estimator)
    mean, deviation = mean_and_deviation(y, row_weights)
    if loss.is_absolute:
        return np.zeros_like(mean), np.ones_like(mean)
    if loss.is_positive:
        if (y < 0).any():
            raise ValueError(
                f"Some value(s) of y are out of the valid range of {loss.text}: must be at least 0, "
                f"got {y.min()}"
            )
        return np.zeros_like(mean), np.where(mean > 0, mean, 1)
    return mean, deviation


def mean_and_deviation(y, row_weights):
    """The mean and the standard deviation of each column of y; 1 in the place of a deviation of 0."""
    mean = np.average(y, axis=0, weights=row_weights)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=row_weights))
    return mean, np.where(deviation > 0, deviation, 1)
