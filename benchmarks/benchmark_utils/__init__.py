"""What data sets and solvers share; benchopt imports this package under its own name.

The registries, `data` and `estimators`, do not know benchopt, so that a fresh process can be timed
without it; `components` does.
"""
