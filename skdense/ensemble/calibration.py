"""What ensembles learn out of fold for their predictions: temperatures, and the weights of a blend.

Beside these stand what weights of samples count, and the scale of y in which regressors are trained.
`docs/benchmarks/decisions.md` has the measurements behind the constants.
"""

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, logsumexp
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor
from sklearn.utils import gen_batches

from skdense.core.formulas.losses import LOSSES
from skdense.final_step import final_step, transforms_y

_MOST_COPIES = 10
"""Whole numbers with a mean up to this count equal samples, larger ones are those of a survey."""


def rescaled_weights(weights):
    """The weights that members are fitted to: shares are multiplied so that their mean is 1.

    As in scikit-learn, a sample of weight 2 is two equal samples for a member, whose penalty is
    compared with the sum of the weights. But shares would leave nothing beside the penalty. So if the
    positive weights have a mean below 1, each of their samples counts once in the mean.
    """
    positive = weights[weights > 0]
    return weights * max(1, len(positive) / positive.sum())


def effective_rows(row_weights):
    """How many samples the weights are worth, for priors, standard errors and levels of quantiles.

    Small whole numbers are counts of equal samples, as in scikit-learn: their sum. Of all other weights
    only the ratios matter, whether they are shares or say how many people a sample stands for: it is
    the number of samples of equal weight whose mean is as precise as the weighted one (Kish, 1965).
    """
    total = row_weights.sum()
    if total <= _MOST_COPIES * len(row_weights) and (row_weights == np.round(row_weights)).all():
        return total
    return total**2 / np.sum(row_weights**2)


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
    found = np.empty(log_probabilities.shape)
    for rows in gen_batches(len(found), _BLOCK):
        logits = np.divide(log_probabilities[rows], temperature, dtype=np.float64)
        found[rows] = np.exp(log_softmax(logits, axis=1))
    return found


def loss_and_accuracy(probabilities, class_numbers, row_weights):
    """The log-loss and the accuracy of probabilities."""
    losses = -as_logs(probabilities[np.arange(len(class_numbers)), class_numbers])
    is_right = probabilities.argmax(axis=1) == class_numbers
    return tuple(float(np.average(each, weights=row_weights)) for each in (losses, is_right))


def learn_temperature(log_probabilities, class_numbers, row_weights, model_weights=(1.0,)):
    """The most probable temperature of the weighted mean of models, by its log-loss.

    `log_probabilities` has an array of shape `(n_samples, n_classes)` for each model, and
    `class_numbers` the column of each sample's class.
    """
    penalty = 1 / (2 * _PRIOR**2 * effective_rows(row_weights))

    def objective(logarithm):
        each = np.empty((len(model_weights), len(class_numbers)))
        for of_model, likelihoods in zip(log_probabilities, each, strict=True):
            for rows in gen_batches(len(class_numbers), _BLOCK):
                logits = np.divide(of_model[rows], np.exp(logarithm), dtype=np.float64)
                logs = log_softmax(logits, axis=1)
                likelihoods[rows] = logs[np.arange(len(logs)), class_numbers[rows]]
        of_mean = logsumexp(each.T, axis=1, b=model_weights)
        return penalty * logarithm**2 - np.average(of_mean, weights=row_weights)

    best = minimize_scalar(objective, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(best.x))


# --- the weights of a blend --------------------------------------------------------------------------

_LEAST_WEIGHT = 0.001
"""A model of less weight than this is left out."""
_SURE = 3
"""By how many standard errors others must be better than constant models, which have no weight then."""


def best_weights(losses_of, ensembles, row_weights, prior_samples):
    """The weights of ensembles with the lowest mean loss, none of them negative and their sum 1.

    `losses_of` gives the loss of each sample for weights of the models. The mean loss grows by the
    squared distance to a prior, times the share that `prior_samples` samples have. By the prior weights
    are equal, but constant models, if they are in, have half of them.
    """
    n_samples = effective_rows(row_weights)
    dummies = DummyClassifier, DummyRegressor
    is_constant = np.array([isinstance(getattr(e, "estimator", None), dummies) for e in ensembles])

    def shares(chosen):
        return chosen / chosen.sum()

    def best_near(prior):
        def objective(model_weights):
            penalty = prior_samples / n_samples * np.sum((model_weights - prior) ** 2)
            return np.average(losses_of(model_weights), weights=row_weights) + penalty

        best = minimize(
            objective,
            prior,
            method="SLSQP",
            bounds=[(0, float(share > 0)) for share in prior],
            constraints={"type": "eq", "fun": lambda model_weights: model_weights.sum() - 1},
            options={"ftol": 1e-9},
        ).x
        return shares(np.where(best < _LEAST_WEIGHT, 0, best))

    if is_constant.all() or not is_constant.any():
        return best_near(shares(np.ones(len(ensembles))))
    constant, others = shares(is_constant), shares(~is_constant)
    model_weights = best_near(others)
    gains = losses_of(constant) - losses_of(model_weights)
    gain = np.average(gains, weights=row_weights)
    error = np.sqrt(np.average((gains - gain) ** 2, weights=row_weights) / n_samples)
    return model_weights if gain > _SURE * error else best_near((constant + others) / 2)


# --- the scale of y -----------------------------------------------------------------------------------

_POSITIVE = {name for name, loss in LOSSES["regression"].items() if loss.output == "exp"}
_POSITIVE |= {"gamma", "tweedie"}
"""The losses of positive predictions. Networks have none of the last two, trees do."""
_ABSOLUTE = {"mape", "mean_absolute_percentage_error", "msle", "squaredlogerror", "logistic"}
_ABSOLUTE |= {"cross_entropy", "xentropy", "cross_entropy_lambda", "xentlambda"}
"""Losses of trees that depend on where 0 and 1 are."""


def facts_of_loss(estimator):
    """The loss of a regressor as ``name=value``, whether predictions are positive, and y is absolute.

    They are positive if it adds up their logarithms. An absolute y cannot be scaled: one of which the
    loss needs the zero, or one that the regressor transforms, by a logarithm for instance. LightGBM and
    XGBoost call the loss `objective` ("count:poisson"), CatBoost `loss_function`
    ("Tweedie:variance_power=1.5") and forests `criterion`. A search has the loss of its estimator.
    """
    if transforms_y(estimator):
        return str(estimator), False, True
    estimator = final_step(estimator)
    within = getattr(estimator, "estimator", None)
    if hasattr(within, "get_params") and not isinstance(within, type):
        return facts_of_loss(within)
    params = estimator.get_params(deep=False)
    for name in ("loss", "objective", "loss_function", "criterion"):
        if (value := params.get(name)) is not None:
            words = {*str(value).lower().split(":")}
            # skorch's `criterion` is a class of torch, and CatBoost's own losses are objects.
            is_own = (callable(value) and not isinstance(value, type)) or hasattr(
                value, "calc_ders_range"
            )
            is_absolute = is_own or not _ABSOLUTE.isdisjoint(words)
            return f"{name}={value!r}", not _POSITIVE.isdisjoint(words), is_absolute
    is_tweedie = isinstance(estimator, TweedieRegressor) and estimator.power >= 1
    is_positive = is_tweedie or isinstance(estimator, PoissonRegressor | GammaRegressor)
    return str(estimator), is_positive, False


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
    loss, is_positive, is_absolute = facts_of_loss(estimator)
    mean, deviation = mean_and_deviation(y, row_weights)
    if is_absolute:
        return np.zeros_like(mean), np.ones_like(mean)
    if is_positive:
        if (y < 0).any():
            raise ValueError(
                f"Some value(s) of y are out of the valid range of {loss}: must be at least 0, got "
                f"{y.min()}"
            )
        return np.zeros_like(mean), np.where(mean > 0, mean, 1)
    return mean, deviation


def mean_and_deviation(y, row_weights):
    """The mean and the standard deviation of each column of y; 1 in the place of a deviation of 0."""
    mean = np.average(y, axis=0, weights=row_weights)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=row_weights))
    return mean, np.where(deviation > 0, deviation, 1)
