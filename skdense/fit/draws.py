"""The draws before the first epoch: initial parameters, the validation split, a seed for dropout."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import DTypeLike

from skdense.core.formulas.initializers import initial_parameters
from skdense.core.formulas.layers import Layer, hidden_and_output
from skdense.core.network import Data, Network, Parameters
from skdense.fit.encoder import Encoder
from skdense.fit.validation import Estimator, FitInput, dropout_rates, hidden_sizes


class Drawn(NamedTuple):
    """The fields of a `Network` that depend on draws."""

    layers: tuple[Layer, ...]
    parameters: Parameters
    data: Data
    validation: Data | None
    dropout: tuple[float, ...]


def draw(
    estimator: Estimator,
    inputs: FitInput,
    continues: bool,
    encoder: Encoder,
    random_state: RandomState,
) -> Drawn:
    """Draw in MLPClassifier's order, and encode y."""
    data = Data(inputs.X, encoder.encode(inputs.y), inputs.sample_weight, inputs.rows)
    widths, n_outputs = hidden_sizes(estimator), data.targets.shape[1]
    layer_sizes = (data.X.shape[1], *widths, n_outputs)
    if continues:
        parameters = _earlier_parameters(estimator, layer_sizes)
    else:
        parameters = _initial_parameters(estimator, layer_sizes, random_state, data.X.dtype)
    validation = None
    if estimator.solver == "lbfgs":
        data = data.copied()  # the program of L-BFGS cannot select rows
    elif inputs.X_val is not None:
        validation = Data(inputs.X_val, encoder.encode(inputs.y_val), inputs.sample_weight_val)
    elif inputs.validation_rows is not None:
        validation = replace(data, rows=inputs.validation_rows)
    elif estimator.early_stopping:
        data, validation = _split(estimator, encoder, data, random_state)
    dropout = _draw_dropout(estimator, random_state)
    layers = hidden_and_output(widths, estimator.activation, n_outputs, bool(dropout))
    return Drawn(layers, parameters, data, validation, dropout)


def further_draws(estimator: Estimator, network: Network) -> Iterator[Network]:
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


def _initial_parameters(
    estimator: Estimator, layer_sizes: Sequence[int], random_state: RandomState, dtype: DTypeLike
) -> Parameters:
    init, activation = estimator.init, estimator.activation
    return initial_parameters(layer_sizes, init, activation, random_state, dtype)


def _earlier_parameters(estimator: Estimator, layer_sizes: tuple[int, ...]) -> Parameters:
    earlier_sizes = (len(estimator.coefs_[0]), *(coef.shape[1] for coef in estimator.coefs_))
    if earlier_sizes != layer_sizes:
        raise ValueError(
            f"hidden_layer_sizes gives layers of sizes {layer_sizes}, but training continues from a "
            f"network of sizes {earlier_sizes}: set warm_start=False and call fit, or keep the sizes"
        )
    return list(zip(estimator.coefs_, estimator.intercepts_, strict=True))


def _split(
    estimator: Estimator, encoder: Encoder, data: Data, random_state: RandomState
) -> tuple[Data, Data]:
    """The samples to train on, and those that early stopping sets aside."""
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
    return replace(data, rows=rows), replace(data, rows=validation_rows)


def _draw_dropout(estimator: Estimator, random_state: RandomState) -> tuple[float, ...]:
    """A new seed and the rate of each hidden layer; if all rates are 0, nothing is drawn."""
    rates = dropout_rates(estimator)
    return (random_state.randint(2**31), *rates) if any(rates) else ()
