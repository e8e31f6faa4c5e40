"""The compiled program of epochs of minibatch steps, and how what it reads lies in arrays.

In come a `Spec` and the sizes of the arrays; out comes a function of tensors that TensorFlow compiles.
"""
