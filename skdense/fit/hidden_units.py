"""What hidden units make of samples. NumPy alone."""

from skdense.core.formulas.layers import dense


def hidden_values(layers, activation, X):
    """The outputs `(n_samples, width)` of each hidden layer, one after the other.

    layers are all `(kernel, bias)` pairs of a network, activation its function on arrays.
    """
    for kernel, bias in layers[:-1]:
        X = dense(X, kernel, bias, activation)
        yield X
