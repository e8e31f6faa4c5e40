"""A search whose candidates are pruned while they train."""

from skdense.search.pruned import PrunedSearchCV

__all__ = ["PrunedSearchCV"]
