"""The warnings of this package."""

from sklearn.exceptions import ConvergenceWarning

__all__ = ["CollapseWarning", "UnlikeDataWarning"]


class CollapseWarning(ConvergenceWarning):
    """The output of the trained network is the same for every sample.

    The output of each unit of a hidden layer is the same for every sample, for example if rectified
    units are always zero, or if units are saturated. No gradient passes such a layer, so more epochs do
    not help. The warning is also given if the outputs are nearly the same, the loss is hardly lower
    than the loss of the best constant output, and training stopped because of slow improvement. The
    message names the layer and a remedy.

    As any convergence warning, it can be turned into an error or silenced with
    `warnings.filterwarnings`.

    See Also
    --------
    skdense.inspection.dead_unit_masks : Which units of a fitted network are the same for every sample.

    Examples
    --------
    >>> import warnings
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.exceptions import CollapseWarning
    >>> X, y = make_two_clouds(random_state=0)
    >>> clf = LowLevelMLPClassifier(
    ...     (5, 5), solver="sgd", learning_rate_init=0.1, loss="squared_error", init="uniform",
    ...     random_state=0,
    ... )
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     clf = clf.fit(X, y)
    >>> any(issubclass(warning.category, CollapseWarning) for warning in caught)
    True
    """


class UnlikeDataWarning(UserWarning):
    """A column of the data to predict differs from the training data.

    The text depends only on the column, the kind of difference and the training data, so Python's
    filters can show each difference once. Counts and examples are attributes.

    Attributes
    ----------
    column : str
        The name of the column.
    difference : str
        The kind of difference: "new categories", "range", "later", "missing", "one value", "unreadable"
        or "time zone".
    count, n_values : int
        The number of values that differ, and the number of all values of the column. Missing values are
        counted for "missing" only.
    share : float
        `count` divided by `n_values`.
    share_in_fit : float or None
        The share of such values in `fit`, or its estimate for "new categories"; None if not available.
    example : object
        One of the values, or None.

    Examples
    --------
    >>> import warnings
    >>> from skdense.exceptions import UnlikeDataWarning
    >>> warnings.filterwarnings("once", category=UnlikeDataWarning)
    """

    def __init__(
        self,
        text,
        column=None,
        difference=None,
        count=0,
        n_values=0,
        example=None,
        share_in_fit=None,
    ):
        super().__init__(text)
        self.column, self.difference = column, difference
        self.count, self.n_values, self.share = count, n_values, count / n_values if n_values else 0.0
        self.share_in_fit, self.example = share_in_fit, example
