"""The compiled programs: epochs of minibatch steps, and the full batch for lbfgs.

In come a `Spec` and the sizes of the arrays; out comes a function of tensors that TensorFlow compiles.
"""
