"""What is public stands in `__all__`, on the API page and in docstrings, and the three agree."""

import importlib
import inspect
import re
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpydoc.docscrape import ClassDoc
from sklearn.base import clone

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor, TabularClassifier, TabularRegressor
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.search import PrunedSearchCV
from skdense.tabular import TableEncoder, TableScaler
from test_docstrings import public_names, the_object

PAGE = (Path(__file__).parent.parent / "docs" / "api.rst").read_text(encoding="utf-8")

SMALL = {"hidden_layer_sizes": (4,), "max_iter": 4, "tol": 0, "random_state": 0}
CLASSIFIER, REGRESSOR = LowLevelMLPClassifier(**SMALL), LowLevelMLPRegressor(**SMALL)
X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["a", "b", "c"])
CLASSES, NUMBERS = (X["a"] > 0).astype(int), X["a"] + X["b"] ** 2


EXAMPLES = {
    LowLevelMLPClassifier: [(CLASSIFIER, CLASSES)],
    LowLevelMLPRegressor: [(REGRESSOR, NUMBERS)],
    CrossFitClassifier: [(CrossFitClassifier(CLASSIFIER, cv=2), CLASSES)],
    CrossFitRegressor: [(CrossFitRegressor(REGRESSOR, cv=2), NUMBERS)],
    BlendClassifier: [(BlendClassifier([("a", CrossFitClassifier(CLASSIFIER, cv=2))]), CLASSES)],
    BlendRegressor: [(BlendRegressor([("a", CrossFitRegressor(REGRESSOR, cv=2))]), NUMBERS)],
    TabularClassifier: [(TabularClassifier(models=["linear"], cv=2), CLASSES)],
    TabularRegressor: [(TabularRegressor(models=["linear"], cv=2), NUMBERS)],
    TableEncoder: [(TableEncoder(), NUMBERS)],
    TableScaler: [(TableScaler(), NUMBERS)],
    PrunedSearchCV: [
        (
            PrunedSearchCV(CLASSIFIER, {"alpha": [0, 1]}, cv=2, rung_epochs=(2, 4), random_state=0),
            CLASSES,
        )
    ],
}
"""Estimators and what they are fitted to; several, if no single one has all attributes of its class."""


def names_on_the_page():
    """The dotted names that the page's tables list."""
    names, module = [], None
    for line in PAGE.splitlines():
        if current := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = current[1]
        elif entry := re.fullmatch(r"   (\w+)", line):
            names.append(f"{module}.{entry[1]}")
    return names


def public_estimators():
    objects = {the_object(name) for name in public_names()}
    return {each for each in objects if inspect.isclass(each) and hasattr(each, "fit")}


def attributes_after_fit(model):
    """The public ones: all that are set and no parameters, and properties."""
    names = vars(model).keys() - model.get_params(deep=False).keys()
    names |= {name for name in dir(type(model)) if name.endswith("_")}
    return {name for name in names if not name.startswith("_") and hasattr(model, name)}


@pytest.mark.parametrize("name", names_on_the_page())
def test_the_page_lists_a_name_where_it_is_imported_from(name):
    module, _, member = name.rpartition(".")
    assert member in importlib.import_module(module).__all__


@pytest.mark.parametrize("name", public_names())
def test_the_page_lists_what_is_public(name):
    assert the_object(name) in [the_object(listed) for listed in names_on_the_page()]


def test_every_public_estimator_has_an_example():
    assert EXAMPLES.keys() == public_estimators()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", EXAMPLES, ids=lambda estimator: estimator.__name__)
def test_a_docstring_describes_the_attributes_that_fit_sets_and_no_others(estimator):
    entries = ClassDoc(estimator, config={"show_class_members": False})["Attributes"]
    documented = {name for entry in entries for name in entry.name.split(", ")}
    fitted = [model.fit(X, y) for model, y in EXAMPLES[estimator]]
    assert documented == set().union(*map(attributes_after_fit, fitted))


# --- estimators are ordinary objects to tools that take records apart ---------------------------------


def is_a_cell_of_pandas(model):
    return pd.DataFrame([model, model]).iloc[1, 0] is model


def is_a_cell_of_polars(model):
    return pl.DataFrame({"model": [model, model]})["model"].dtype == pl.Object


def is_a_result_of_dask(model):
    (results,) = dask.compute([model])
    return type(results[0]) is type(model)


def is_a_field_of_pydantic(model):
    pydantic = pytest.importorskip("pydantic")
    config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    served = pydantic.create_model("Served", __config__=config, model=(type(model), ...))
    return served(model=model).model is model


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", EXAMPLES, ids=lambda estimator: estimator.__name__)
@pytest.mark.parametrize(
    "is_whole_in",
    [is_a_cell_of_pandas, is_a_cell_of_polars, is_a_result_of_dask, is_a_field_of_pydantic],
)
def test_an_estimator_is_no_record_that_tools_take_apart(estimator, is_whole_in):
    model, y = EXAMPLES[estimator][0]
    assert is_whole_in(clone(model))
    assert is_whole_in(clone(model).fit(X, y))


@pytest.mark.parametrize("estimator", EXAMPLES, ids=lambda estimator: estimator.__name__)
def test_a_constructor_names_and_stores_each_parameter(estimator):
    """As scikit-learn asks for; annotations of fitted attributes set nothing."""
    required = {"estimator": CLASSIFIER, "param_distributions": {}, "estimators": []}
    parameters = inspect.signature(estimator.__init__).parameters
    required = {name: value for name, value in required.items() if name in parameters}

    model = estimator(**required)

    assert vars(model).keys() == parameters.keys() - {"self"} == model.get_params(deep=False).keys()
    assert all(value is getattr(model, name) for name, value in required.items())
    assert not [name for name in dir(estimator) if name in parameters]
