"""Dense layers and the forward pass, written once for NumPy arrays and for tensors.

Parameters are a sequence of `(kernel, bias)` pairs. A single network has kernels `(fan_in, fan_out)`
and biases `(fan_out,)`; a stack of K networks has `(K, fan_in, fan_out)` and `(K, 1, fan_out)`.
Nothing here imports TensorFlow or NumPy.
"""


def dense(inputs, kernel, bias, activation):
    """One dense layer: `activation(inputs @ kernel + bias)`.

    inputs is `(batch, fan_in)` or `(K, batch, fan_in)`; the result has fan_out in place of fan_in.
    """
    outputs = inputs @ kernel
    outputs += bias
    return activation(outputs)


def forward(inputs, parameters, activation, drop=None):
    """The logits of a network: every layer but the last is followed by `activation`.

    `drop(layer, values)`, if given, changes the values of each hidden layer.
    """
    *hidden, (kernel, bias) = parameters
    for layer, (hidden_kernel, hidden_bias) in enumerate(hidden):
        inputs = dense(inputs, hidden_kernel, hidden_bias, activation)
        if drop is not None:
            inputs = drop(layer, inputs)
    return dense(inputs, kernel, bias, lambda logits: logits)


def hidden_values(parameters, activation, inputs):
    """The outputs `(batch, width)` of each hidden layer of a single network, one after the other."""
    for kernel, bias in parameters[:-1]:
        inputs = dense(inputs, kernel, bias, activation)
        yield inputs
