"""Training networks: no estimator, no class of scikit-learn, no printing.

In come networks, as NumPy arrays and numbers, and the rows to train them on; out go the same networks,
trained. Only here is TensorFlow imported. Each room imports only from those after it: `host`,
`program`, `formulas`, the records of `network`, and `machine`.
"""
