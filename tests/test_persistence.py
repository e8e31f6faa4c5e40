"""Saved models: what is in the file, what a loaded one needs to predict, how its training goes on."""

import copy
import importlib
import io
import json
import pickle
import warnings
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import Ridge

import skdense
import skdense.base as base
import skdense.ensemble
import skdense.tabular
from helpers import run_python
from skdense import (
    LowLevelMLPClassifier,
    LowLevelMLPRegressor,
    TabularClassifier,
    TabularRegressor,
)
from skdense.ensemble import BlendRegressor, CrossFitRegressor
from skdense.tabular import TableEncoder, TableScaler

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SAVED_BY_0_5 = Path(__file__).parent / "saved" / "0.5.0"
SAVED = sorted(
    path for path in Path(__file__).parent.glob("saved/*/*.json") if path.stem != "interface"
)
X, y = load_iris(return_X_y=True)
Y_MULTILABEL = np.column_stack([y == 0, y > 0]).astype(int)

SETTINGS = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate": "adaptive"},
    "early stopping": {"early_stopping": True},
    "squared error": {"loss": "squared_error"},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "lbfgs": {"solver": "lbfgs"},
}


def small(**parameters):
    defaults = {"hidden_layer_sizes": (7, 4), "batch_size": 25, "max_iter": 5, "random_state": 0}
    return LowLevelMLPClassifier(**defaults | parameters)


def by_pickle(model, path):
    return pickle.loads(pickle.dumps(model))


def by_memory_map(model, path):
    joblib.dump(model, path / "model.joblib")
    return joblib.load(path / "model.joblib", mmap_mode="r")


def by_cloudpickle(model, path):
    cloudpickle = pytest.importorskip("cloudpickle")
    return pickle.loads(cloudpickle.dumps(model))


def by_deepcopy(model, path):
    return copy.deepcopy(model)


COPIES = [by_pickle, by_memory_map, by_cloudpickle, by_deepcopy]


def assert_equal_attributes(one, other, but=()):
    assert vars(one).keys() == vars(other).keys()
    for name in vars(one).keys() - {"_label_binarizer", *but}:
        np.testing.assert_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("copied", COPIES, ids=lambda function: function.__name__)
def test_a_copy_predicts_as_the_model_does_and_is_loaded_without_a_warning(copied, tmp_path):
    def silently(model):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loaded = copied(model, tmp_path)
            clone(loaded)
            copy.copy(loaded)
        return loaded

    assert vars(silently(small())).keys() == vars(small()).keys()
    for labels in (y, y > 0, Y_MULTILABEL, np.array(["a", "b", "c"])[y]):
        model = small().fit(X, labels)
        loaded = silently(model)
        for method in ("predict", "predict_proba", "predict_log_proba"):
            np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(model, method)(X))
        assert loaded.score(X, labels) == model.score(X, labels)
        assert_equal_attributes(loaded, model)


@pytest.mark.parametrize("copied", COPIES, ids=lambda function: function.__name__)
def test_training_goes_on_from_a_copy_exactly_as_without_it(copied, tmp_path):
    model = small(warm_start=True).fit(X, y).partial_fit(X[::2], y[::2])
    loaded = copied(model, tmp_path)
    for estimator in (model, loaded):
        estimator.partial_fit(X, y)
        estimator.fit(X, y)
        estimator.partial_fit(X, y)
    assert_equal_attributes(loaded, model)


def test_a_random_state_in_use_is_saved_where_it_stands():
    model = small(random_state=np.random.RandomState(0)).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert_equal_attributes(loaded.fit(X, y), model.fit(X, y), but=["random_state"])
    assert model.random_state.randint(2**31) == loaded.random_state.randint(2**31)


class _ClassRecorder(pickle.Unpickler):
    """Notes the names of the classes and functions that a pickle asks for."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.met = set()

    def find_class(self, module, name):
        self.met.add(f"{module}.{name}")
        return super().find_class(module, name)


def classes_beside_arrays(model):
    """What a saved model holds that is neither an array nor a builtin."""
    recorder = _ClassRecorder(pickle.dumps(model))
    recorder.load()
    of_numpy = {name for name in recorder.met if name.startswith("numpy.")}
    for name in of_numpy:
        module, attribute = name.rsplit(".", 1)
        found = getattr(importlib.import_module(module), attribute)
        assert found in (np.ndarray, np.dtype) or attribute in ("_reconstruct", "_frombuffer", "scalar")
    return recorder.met - of_numpy


OF_A_CLASSIFIER = {
    "skdense.classifier.LowLevelMLPClassifier",
    "sklearn.preprocessing._label.LabelBinarizer",
}


REGRESSOR = LowLevelMLPRegressor(
    hidden_layer_sizes=(7, 4), batch_size=25, max_iter=5, random_state=0, warm_start=True
)


@pytest.mark.parametrize(
    ("model", "labels"),
    [
        *((small(warm_start=True, **setting), y) for setting in SETTINGS.values()),
        (small(warm_start=True), y > 0),
        (small(warm_start=True), Y_MULTILABEL),
        (REGRESSOR, y),
    ],
    ids=[*SETTINGS, "two classes", "multilabel", "numbers"],
)
def test_a_saved_model_holds_arrays_and_builtins_only_and_a_warm_start_goes_on_from_it(model, labels):
    model = clone(model).fit(X, labels)
    of_regressor = {"skdense.regressor.LowLevelMLPRegressor"}
    expected = of_regressor if isinstance(model, LowLevelMLPRegressor) else OF_A_CLASSIFIER
    assert classes_beside_arrays(model) == expected
    loaded = pickle.loads(pickle.dumps(model))
    assert_equal_attributes(loaded.fit(X, labels), model.fit(X, labels))


@pytest.mark.parametrize(
    ("model", "labels"), [(small(), y > 0), (small(), Y_MULTILABEL), (REGRESSOR, y)]
)
def test_skops_has_one_class_to_trust(model, labels):
    skops = pytest.importorskip("skops.io")
    model = clone(model).fit(X, labels)
    saved = skops.dumps(model)
    name = f"{type(model).__module__}.{type(model).__name__}"
    assert skops.get_untrusted_types(data=saved) == [name]

    loaded = skops.loads(saved, trusted=[name])

    assert_equal_attributes(loaded.partial_fit(X, labels), model.partial_fit(X, labels))


def test_saved_attributes_are_not_scalars_of_numpy_or_tensors():
    """The curves and counts are Python's own, as a reader of the file expects."""
    model = small(early_stopping=True).fit(X, y)
    for name in ("loss_", "best_validation_score_"):
        assert type(getattr(model, name)) is float
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_"):
        assert type(getattr(model, name)) is int
    for name in ("loss_curve_", "accuracy_curve_", "validation_scores_", "validation_loss_curve_"):
        assert {type(value) for value in getattr(model, name)} == {float}
    for array in model.coefs_ + model.intercepts_:
        assert type(array) is np.ndarray
        assert array.base is None


def test_the_size_of_a_saved_model_is_that_of_its_weights():
    """Adam keeps two more numbers for each. And saving leaves the model as it was."""
    model = small(hidden_layer_sizes=(100, 100)).fit(X, y)
    before = dict(vars(model))
    weights = sum(array.nbytes for array in model.coefs_ + model.intercepts_)
    assert len(pickle.dumps(model)) < 3 * weights + 10_000
    assert vars(model) == before


def test_a_model_of_another_version_warns_as_scikit_learns_estimators_do(monkeypatch):
    model = small().fit(X, y)
    with monkeypatch.context() as patch:
        patch.setattr(base, "__version__", "0.0.7")
        saved = pickle.dumps(model)

    with pytest.warns(InconsistentVersionWarning) as caught:
        loaded = pickle.loads(saved)

    (warning,) = caught
    assert str(warning.message).startswith(
        "Trying to unpickle estimator LowLevelMLPClassifier (skdense) from version 0.0.7 when using "
        f"version {skdense.__version__}."
    )
    assert warning.filename == __file__
    assert_equal_attributes(loaded, model)
    assert_equal_attributes(loaded.partial_fit(X, y), model.partial_fit(X, y))


class Narrow(LowLevelMLPClassifier):
    """A subclass whose parameter has no default, and which sets some of its parent's."""

    def __init__(self, width, max_iter=5):
        super().__init__((width, 3), batch_size=25, max_iter=max_iter, random_state=0)
        self.width = width


def test_a_subclass_may_have_a_parameter_without_a_default():
    model = Narrow(3).fit(X, y)
    for name in ("max_iter", "n_init"):
        vars(model).pop(name)  # as if a later version had added it
    for loaded in (copy.copy(model), pickle.loads(pickle.dumps(model))):
        assert (loaded.width, loaded.max_iter, loaded.n_init) == (3, 5, 1)
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_a_state_without_a_version_is_loaded_with_a_warning():
    model = small().fit(X, y)
    state = dict(vars(model))
    loaded = LowLevelMLPClassifier.__new__(LowLevelMLPClassifier)

    with pytest.warns(InconsistentVersionWarning, match="from version 0.6 or earlier when"):
        loaded.__setstate__(state)

    assert state.keys() == vars(model).keys()
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("path", SAVED, ids=lambda path: f"{path.stem} of {path.parent.name}")
def test_models_that_versions_have_saved_load_and_predict_as_they_did(path):
    """The page "Stability" promises it."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    rows = kept["rows"]
    if isinstance(rows, dict):
        rows = pd.DataFrame(rows)
    if (file := path.with_suffix(".skops")).exists():
        skops = pytest.importorskip("skops.io")
        model = skops.load(file, trusted=["skdense.regressor.LowLevelMLPRegressor"])
    else:
        model = joblib.load(path.with_suffix(".joblib"))

    for asked in kept["answers"]:
        answer = getattr(model, asked["method"])(rows, **asked["arguments"])
        if answer.dtype.kind == "f":
            assert_allclose(answer, asked["answer"], rtol=1e-6)
        else:
            assert_array_equal(answer, asked["answer"])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_ensembles_of_0_5_are_refused_with_what_to_do():
    message = "a CrossFitClassifier saved by skdense 0.5 or earlier .* refit it"
    with pytest.raises(ValueError, match=message):
        joblib.load(SAVED_BY_0_5 / "blend.joblib")


def of_0_5(name):
    """A network that 0.5.0 saved, and the same fit by this version with the data: `saved/write.py`."""
    path, load, data = SAVED_BY_0_5 / name, joblib.load, (X, load_iris().target_names[y])
    if path.suffix == ".skops":
        skops = pytest.importorskip("skops.io")
        load = partial(skops.load, trusted=["skdense.regressor.LowLevelMLPRegressor"])
        data = [each[:200] for each in load_diabetes(return_X_y=True)]
    saved = load(path)
    assert {*vars(saved)} >= {*saved.get_params()}
    assert not {"validation_metric", "warmup"} & {*vars(saved)}
    return saved, clone(saved).fit(*data), data


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("name", ["classifier.joblib", "regressor.skops"])
def test_a_network_of_0_5_goes_on_as_one_of_now(name):
    saved, now, data = of_0_5(name)
    assert (saved.scoring, saved.warmup_epochs) == (None, 0)
    for model in (saved, now):
        model.set_params(warm_start=True).fit(*data)
        model.set_params(early_stopping=False).partial_fit(*data)
    assert_allclose(saved.loss_curve_, now.loss_curve_, rtol=1e-4)
    for ours, expected in zip(saved.coefs_, now.coefs_, strict=True):
        assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize(
    ("metric", "scoring"), [("accuracy", None), ("r2", None), ("loss", "loss"), (len, len)]
)
def test_the_old_names_of_parameters_are_those_of_now_in_a_saved_state(metric, scoring):
    model = small(scoring=scoring, early_stopping=True, warmup_epochs=0.5)
    state = vars(model) | {"validation_metric": metric, "warmup": 0.5, "_skdense_version": "0.5.0"}
    state |= {"_criterion": {"loss": "log_loss", "metric": metric}}
    del state["scoring"], state["warmup_epochs"]
    loaded = LowLevelMLPClassifier.__new__(LowLevelMLPClassifier)

    loaded.__setstate__(state)

    assert vars(loaded) == vars(model) | {"_criterion": {"loss": "log_loss", "metric": scoring}}


def test_a_setting_that_a_saved_optimizer_lacks_is_that_of_the_estimator():
    model = small(beta_1=0.8).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    del loaded._optimizer_state["settings"]["beta_1"]
    # Before 0.7 there was no place in the schedule of epochs.
    del loaded._optimizer_state["schedule_step"], loaded._optimizer_state["steps_per_epoch"]

    assert_equal_attributes(loaded.partial_fit(X, y), model.partial_fit(X, y))


WITHOUT_TENSORFLOW = """
import pickle, sys
sys.modules["tensorflow"] = None  # importing it raises
import numpy as np
import skdense
import skdense.base as base
from skdense import base, datasets
with open(sys.argv[1], "rb") as file:
    saved = pickle.load(file)
for model, X, y, predictions, probabilities, log_probabilities, score in saved:
    np.testing.assert_array_equal(model.predict(X), predictions)
    np.testing.assert_array_equal(model.predict_proba(X), probabilities)
    np.testing.assert_array_equal(model.predict_log_proba(X), log_probabilities)
    assert model.score(X, y) == score
    str(model), model._repr_html_(), model.get_params()
assert not any(name.startswith(("tensorflow.", "keras")) for name in sys.modules)
try:
    model.fit(X, y)
except ImportError as error:
    print(error)
"""


def test_a_loaded_model_predicts_where_tensorflow_cannot_be_imported_and_fit_names_it(tmp_path):
    saved = []
    fits = [(small(loss="squared_error"), y), (small(), y), (small(), y > 0), (small(), Y_MULTILABEL)]
    for model, labels in fits:
        model.fit(X, labels)
        answers = [model.predict(X), model.predict_proba(X), model.predict_log_proba(X)]
        saved.append((model, X, labels, *answers, model.score(X, labels)))
    path = tmp_path / "models.pickle"
    path.write_bytes(pickle.dumps(saved))
    message = run_python(WITHOUT_TENSORFLOW, path)
    assert "needs TensorFlow, which is not installed: python -m pip install" in message


# --- ensembles and tables ----------------------------------------------------------------------------

PUBLIC = {
    f"{cls.__module__}.{cls.__name__}"
    for module in (skdense, skdense.ensemble, skdense.tabular)
    for cls in (getattr(module, name) for name in module.__all__)
    if isinstance(cls, type)
}
"""The classes of ours that a file may hold, by the names that it has for them."""
OF_OTHERS = "builtins.", "collections.", "sklearn.", "lightgbm."
N = 120
RNG = np.random.default_rng(0)
CODES = np.array([*(f"code {i}" for i in range(60)), None], dtype=object)[RNG.integers(0, 61, N)]
TABLE = pd.DataFrame(
    {
        "number": RNG.normal(size=N),
        "gaps": np.where(RNG.random(N) < 0.2, np.nan, RNG.normal(size=N)),
        "town": RNG.choice(["Cork", "Oslo", "Rome"], N),
        "kind": pd.Categorical(np.where(RNG.random(N) < 0.2, None, RNG.choice(["a", "b"], N))),
        "day": pd.date_range("2024-01-01", periods=N, freq="7h"),
        "since": pd.to_timedelta(RNG.integers(0, 999, N), unit="h"),
        "code": CODES,
    }
)
SCORE = TABLE["number"] + (TABLE["town"] == "Cork") + pd.Series(CODES).str[-1:].isin([*"01234"])
NETWORK = {"hidden_layer_sizes": (), "max_iter": 3}
OF_TABLES = {"cv": 2, "random_state": 0, "network_params": NETWORK}
CROSSFIT = CrossFitRegressor(LowLevelMLPRegressor(early_stopping=True, **NETWORK), 2, random_state=0)
ENSEMBLES = {
    "table of classes": (TabularClassifier(**OF_TABLES), SCORE > 1),
    "table of numbers": (TabularRegressor(**OF_TABLES), SCORE),
    "blend": (BlendRegressor([("networks", CROSSFIT), ("again", CROSSFIT)]), SCORE),
}


@pytest.fixture(scope="module", params=ENSEMBLES)
def ensemble(request):
    """A fitted ensemble, what it is asked, and what it says."""
    model, of_rows = ENSEMBLES[request.param]
    X = TABLE if request.param.startswith("table") else TABLE[["number"]].to_numpy()
    model = clone(model).fit(X, of_rows.to_numpy())
    return model, X, said_by(model, X)


def said_by(model, X):
    if hasattr(model, "predict_proba"):
        return np.column_stack([model.predict_proba(X), model.predict_set(X)])
    return np.column_stack([model.predict(X), model.predict_interval(X)])


def test_a_saved_ensemble_holds_classes_that_are_public_or_of_others(ensemble):
    model, X, said = ensemble
    found = classes_beside_arrays(model)
    ours = {name for name in found if name.startswith("skdense.")}
    assert ours <= PUBLIC
    assert all(name.startswith(OF_OTHERS) for name in found - ours)
    assert_array_equal(said_by(pickle.loads(pickle.dumps(model)), X), said)


def test_skops_loads_what_it_has_saved_of_an_ensemble(ensemble):
    skops = pytest.importorskip("skops.io")
    model, X, said = ensemble
    saved = skops.dumps(model)
    untrusted = skops.get_untrusted_types(data=saved)
    assert {name for name in untrusted if name.startswith("skdense.")} <= PUBLIC
    assert_array_equal(said_by(skops.loads(saved, trusted=skdense.trusted_types()), X), said)


@pytest.mark.parametrize("n_rare", [0, 4])
def test_skops_loads_a_table_of_many_rows(n_rare):
    """Linear models choose their penalty by other splits of them."""
    skops = pytest.importorskip("skops.io")
    X = RNG.normal(size=(900, 2))
    y = X[:, 0] > 0 if n_rare == 0 else np.where(np.arange(900) < n_rare, 2, X[:, 0] > 0)
    model = TabularClassifier(models=["linear"], cv=2, random_state=0).fit(X, y)
    loaded = skops.loads(skops.dumps(model), trusted=skdense.trusted_types())
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


SAVED_CLASSES = [LowLevelMLPClassifier(), CrossFitRegressor(Ridge()), TableEncoder(), TableScaler()]


@pytest.mark.parametrize("model", SAVED_CLASSES, ids=lambda model: type(model).__name__)
def test_a_file_of_a_later_format_is_refused_with_the_version_to_install(model, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(base, "_FORMAT", base._FORMAT + 1)
        patch.setattr(base, "__version__", "1.2.0")
        saved = pickle.dumps(model)

    with pytest.raises(ValueError, match=r"pip install skdense==1\.2\.0"):
        pickle.loads(saved)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("model", SAVED_CLASSES, ids=lambda model: type(model).__name__)
def test_a_file_of_a_later_version_in_the_same_format_is_read(model, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(base, "__version__", "0.10.0")
        saved = pickle.dumps(model)

    loaded = pickle.loads(saved)

    assert vars(loaded).keys() == vars(model).keys()


def test_an_ensemble_without_the_number_of_a_format_is_one_of_0_5():
    state = CrossFitRegressor(Ridge()).__getstate__()
    del state["_skdense_format"]
    with pytest.raises(ValueError, match="refit it"):
        CrossFitRegressor(Ridge()).__setstate__(state)
