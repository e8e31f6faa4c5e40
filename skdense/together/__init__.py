"""Fits that meet: which of them train together, when, and where.

In come jobs, each a fit that has been prepared, from many fits at a time; out they go trained. The
joblib backend "skdense" lets the tasks of scikit-learn's tools meet here.
"""
