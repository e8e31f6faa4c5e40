"""A search whose candidates are pruned while they train, and the display of its scores."""

from skdense.search.displays import PrunedSearchDisplay
from skdense.search.pruned import PrunedSearchCV

__all__ = ["PrunedSearchCV", "PrunedSearchDisplay"]
