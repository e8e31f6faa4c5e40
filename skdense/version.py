"""The version of the package, which saved models carry."""

__version__ = "0.7.0"
