"""Models that end with an ensemble: a Pipeline or a TransformedTargetRegressor may stand before it."""

from sklearn import get_config
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline


def last_of(model):
    """The ensemble or blend that a model is, or that is at its end."""
    while True:
        if isinstance(model, Pipeline):
            model = model.steps[-1][1]
        elif isinstance(model, TransformedTargetRegressor):
            model = getattr(model, "regressor_", model.regressor)
        else:
            return model


def transforms_y(model):
    """Whether the ensemble at the end of a model is fitted to a transformed y."""
    if isinstance(model, Pipeline):
        return transforms_y(model.steps[-1][1])
    return isinstance(model, TransformedTargetRegressor)


def out_of_fold(model):
    """The out-of-fold predictions of a fitted regressor, in the units of y."""
    if isinstance(model, Pipeline):
        return out_of_fold(model.steps[-1][1])
    if isinstance(model, TransformedTargetRegressor):
        predictions = out_of_fold(model.regressor_)
        columns = predictions.reshape(len(predictions), -1)
        return model.transformer_.inverse_transform(columns).reshape(predictions.shape)
    return model.oof_prediction_


def fit_parameters(model, **parameters):
    """Parameters for the estimator at the end of a model, as its `fit` takes them.

    Where metadata routing is on, the steps of a Pipeline have to request them.
    """
    if isinstance(model, Pipeline) and not get_config()["enable_metadata_routing"]:
        name, last = model.steps[-1]
        parameters = fit_parameters(last, **parameters)
        return {f"{name}__{parameter}": value for parameter, value in parameters.items()}
    if isinstance(model, TransformedTargetRegressor):
        return fit_parameters(model.regressor, **parameters)
    return parameters
