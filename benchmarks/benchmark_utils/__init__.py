"""The registries of data sets and estimators; benchopt imports this package under its own name.

They do not know benchopt, so that a fresh process can be timed without it.
"""
