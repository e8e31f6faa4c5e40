"""Registries of data sets and estimators that know nothing of benchopt: fresh processes do without it."""
