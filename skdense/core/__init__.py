"""Training networks: no estimator, no class of scikit-learn, no printing.

The input is networks, as NumPy arrays and numbers, and the rows to train them on; the same networks
are updated with the result. TensorFlow is imported only here. Each part imports only the parts after
it: `host`, `program`, `formulas`, the records of `network`, and `machine`.
"""
