"""Registries of data sets and estimators, which a fresh process imports without benchopt."""
