"""The draws before the first epoch: initial parameters, the validation split, a seed for dropout."""

from copy import deepcopy
from dataclasses import replace

import numpy as np

from skdense.core.formulas.initializers import initial_parameters
from skdense.core.formulas.layers import hidden_and_output
from skdense.fit.validation import dropout_rates, hidden_sizes


def draw(estimator, inputs, continues, encoder, data, validation, random_state):
    """Draw in MLPClassifier's order; return the fields of a `Network` that depend on draws."""
    widths, n_outputs = hidden_sizes(estimator), data.targets.shape[1]
    layer_sizes = (data.X.shape[1], *widths, n_outputs)
    if continues:
        parameters = _earlier_parameters(estimator, layer_sizes)
    else:
        parameters = _initial_parameters(estimator, layer_sizes, random_state, data.X.dtype)
    rows, validation_rows = inputs.rows, inputs.validation_rows
    if estimator.solver == "lbfgs":
        if rows is not None:  # its program reads all rows of its data
            data, rows = data.part(rows), None
    elif validation_rows is not None:
        validation = data
    elif estimator.early_stopping and validation is None:
        rows, validation_rows = _split(estimator, encoder, data, random_state)
        validation = data
    dropout = _draw_dropout(estimator, random_state)
    return {
        "layers": hidden_and_output(widths, estimator.activation, n_outputs, bool(dropout)),
        "parameters": parameters,
        "data": data,
        "rows": rows,
        "validation": validation,
        "validation_rows": validation_rows,
        "dropout": dropout,
    }


def further_draws(estimator, network):
    """Yield the network with the other `n_init - 1` draws of its initial parameters.

    All of them are drawn from one copy of its random state, so that all draws shuffle alike.
    """
    stream = deepcopy(network.random_state)
    dtype = network.data.X.dtype
    layer_sizes = (network.n_features, *(len(bias) for _, bias in network.parameters))
    for _ in range(estimator.n_init - 1):
        yield replace(
            network,
            parameters=_initial_parameters(estimator, layer_sizes, stream, dtype),
            dropout=_draw_dropout(estimator, stream),
            random_state=deepcopy(network.random_state),
            owns_stream=True,
        )


def _initial_parameters(estimator, layer_sizes, random_state, dtype):
    return initial_parameters(layer_sizes, estimator.init, estimator.activation, random_state, dtype)


def _earlier_parameters(estimator, layer_sizes):
    earlier_sizes = (len(estimator.coefs_[0]), *(coef.shape[1] for coef in estimator.coefs_))
    if earlier_sizes != layer_sizes:
        raise ValueError(
            f"hidden_layer_sizes gives layers of sizes {layer_sizes}, but training continues from a "
            f"network of sizes {earlier_sizes}: set warm_start=False and call fit, or keep the sizes"
        )
    return list(zip(estimator.coefs_, estimator.intercepts_, strict=True))


def _split(estimator, encoder, data, random_state):
    """The rows to train on, and those that early stopping sets aside."""
    from sklearn.model_selection import train_test_split  # it imports much that no other fit needs

    n_samples = len(data.targets)
    try:
        rows, validation_rows = train_test_split(
            np.arange(n_samples),
            test_size=estimator.validation_fraction,
            random_state=random_state,
            stratify=data.targets if encoder.is_stratified else None,
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping cannot set aside validation_fraction={estimator.validation_fraction} of "
            f"{n_samples} samples: {error}"
        ) from error
    if len(validation_rows) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            "dataset."
        )
    for name, part in (("validation", validation_rows), ("training", rows)):
        if data.weights is not None and not data.weights[part].any():
            raise ValueError(
                f"The {name} set of early_stopping's split has no weight: all its sample weights are "
                "zero. Change validation_fraction, or pass X_val, y_val and sample_weight_val."
            )
    return rows, validation_rows


def _draw_dropout(estimator, random_state):
    """A new seed and the rate of each hidden layer; if all rates are 0, nothing is drawn."""
    rates = dropout_rates(estimator)
    return (random_state.randint(2**31), *rates) if any(rates) else ()
