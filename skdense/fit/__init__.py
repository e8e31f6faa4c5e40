"""One fit, or many at once: from an estimator and the user's data to fitted attributes.

In come an estimator, X and y; out go its fitted attributes, or a warning or error that says what would
help. It describes networks and lets `skdense.core` train them.
"""
