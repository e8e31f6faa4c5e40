"""Every public class, function and method says all that numpydoc asks for.

Public is what a module of the package lists in its `__all__`, and the methods that our classes define.
"""

import importlib
import inspect
import pkgutil
import re

import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate
from sklearn.utils._param_validation import StrOptions

import skdense
from skdense.core.formulas.optimizers import OPTIMIZERS, allowed_settings

SKIPPED = {
    "GL01": "a summary stands beside its opening quotes here, which only older numpydoc minds",
    "ES01": "a summary that says all needs no second paragraph",
    "SA01": "few methods have relatives that are worth a See Also",
    "RT02": "a return value is named, as scikit-learn names it, and the name comes before the type",
}
SKIPPED_FOR_METHODS = {"EX01": "the example of a class shows its methods at work"}
SKIPPED_FOR_WARNINGS = {"PR01": "the parameters of a warning are its attributes"}


NETWORKS = skdense.LowLevelMLPRegressor, skdense.LowLevelMLPClassifier


def public_modules():
    names = [module.name for module in pkgutil.walk_packages(skdense.__path__, "skdense.")]
    return [skdense, *(importlib.import_module(n) for n in names if not n.startswith("skdense.core"))]


def public_names():
    """The dotted names of all public objects, methods apart."""
    return [
        f"{module.__name__}.{name}"
        for module in public_modules()
        for name in getattr(module, "__all__", ())
    ]


def the_object(name):
    module, _, member = name.rpartition(".")
    return getattr(importlib.import_module(module), member)


def public_methods():
    """The dotted names of the methods and properties that public classes define."""
    names = []
    for name in public_names():
        cls = the_object(name)
        if inspect.isclass(cls):
            ours = [base for base in cls.__mro__ if base.__module__.startswith("skdense")]
            methods = {method for base in ours for method in vars(base) if is_written_here(method)}
            methods -= getattr(cls, "__dataclass_fields__", {}).keys()  # parameters
            names += [f"{name}.{method}" for method in sorted(methods)]
    return names


def is_written_here(method):
    # scikit-learn makes set_fit_request and its like, docstrings included.
    return not method.startswith("_") and not (
        method.startswith("set_") and method.endswith("_request")
    )


def assert_valid(name, skipped):
    errors = [f"{code}: {text}" for code, text in validate(name)["errors"] if code not in skipped]
    assert not errors, "\n".join([name, *errors])


def test_completion_shows_all_public_names():
    for module in public_modules():
        assert set(getattr(module, "__all__", ())) <= set(dir(module))


@pytest.mark.parametrize("name", public_names())
def test_the_docstring_of_a_class_or_function_is_complete(name):
    assert_valid(name, SKIPPED | (SKIPPED_FOR_WARNINGS if name.endswith("Warning") else {}))


@pytest.mark.parametrize("name", public_methods())
def test_the_docstring_of_a_method_is_complete(name):
    assert_valid(name, SKIPPED | SKIPPED_FOR_METHODS)


def test_nothing_public_is_overlooked():
    assert "skdense.datasets.make_two_clouds" in public_names()
    of_both = {f"skdense.{network.__name__}.partial_fit" for network in NETWORKS}
    assert of_both | {"skdense.LowLevelMLPClassifier.predict_log_proba"} <= {*public_methods()}


@pytest.mark.parametrize("network", NETWORKS)
def test_the_names_that_a_parameter_may_have_are_those_of_its_constraint(network):
    """An activation, loss or schedule that is added is documented, too."""
    constraints = network._parameter_constraints
    listed = {
        parameter.name: set(re.findall(r"'(\w+)'", parameter.type.partition("}")[0]))
        for parameter in ClassDoc(network)["Parameters"]
        if parameter.type.startswith("{")
    }
    for name, (first, *others) in constraints.items():
        if isinstance(first, StrOptions) and not others:
            assert listed[name] == first.options, name


@pytest.mark.parametrize("network", NETWORKS)
def test_partial_fit_names_all_settings_that_it_keeps(network):
    text = (
        " ".join(inspect.getdoc(network.partial_fit).split())
        .partition("also with `warm_start`:")[2]
        .partition("Changes of all other")[0]
    )
    numbers = {name for optimizer in OPTIMIZERS for name in allowed_settings(optimizer)}
    assert set(re.findall(r"`(\w+)`", text)) == {"solver", "learning_rate", *numbers}
