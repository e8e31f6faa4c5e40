"""Warnings name the user's line, whatever lies between it and the fit."""

import warnings
from threading import Thread

import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdense import LowLevelMLPClassifier
from skdense.compat import warn_at_caller
from skdense.datasets import make_two_clouds
from skdense.tabular import TableEncoder

X, y = make_two_clouds(50, random_state=0)
NETWORK = LowLevelMLPClassifier((4,), max_iter=3, random_state=0)
PIPELINE = make_pipeline(StandardScaler(), NETWORK)


def warned_at(call, action="always"):
    """The files that the warnings of a call name."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(action)
        call()
    return [warning.filename for warning in caught]


def in_a_thread_of_the_users():
    thread = Thread(target=lambda: NETWORK.fit(X, y))
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    "call",
    [
        lambda: PIPELINE.fit(X, y),
        lambda: GridSearchCV(PIPELINE, {}, cv=2).fit(X, y),
        lambda: cross_val_score(PIPELINE, X, y, cv=2),
        lambda: BaggingClassifier(NETWORK, n_estimators=2).fit(X, y),
        lambda: MultiOutputClassifier(NETWORK).fit(X, y[:, None]),
        in_a_thread_of_the_users,
    ],
    ids=["pipeline", "search", "cross-validation", "bagging", "multi-output", "thread"],
)
def test_a_warning_within_other_estimators_names_the_users_line(call):
    assert set(warned_at(call)) == {__file__}


def test_in_a_thread_of_joblib_it_names_the_line_that_called_fit():
    with parallel_config("threading", n_jobs=2):
        (file,) = set(warned_at(lambda: cross_val_score(NETWORK, X, y, cv=2)))
    assert file == sklearn.model_selection._validation.__file__


def test_a_line_warns_once_where_python_shows_each_line_once():
    def warn_twice():
        for _ in range(2):
            warn_at_caller("of two calls")

    assert warned_at(warn_twice, "default") == [__file__]


def test_a_table_in_a_pipeline_names_the_users_line():
    pytest.importorskip("skrub")
    table = {"a": [1.0, 2.0, 3.0], "constant": [1.0, 1.0, 1.0]}
    encoder = TableEncoder()
    for columns in (encoder, make_pipeline(encoder)):
        for learn in (columns.fit, columns.fit_transform):
            assert warned_at(lambda learn=learn: learn(pd.DataFrame(table))) == [__file__]
