"""MLPClassifier's default network in Keras, behind its own wrapper: float32, and no L2 penalty."""

import keras
import numpy as np
from keras.wrappers import SKLearnClassifier

from .estimators import BATCH_SIZE, HIDDEN_UNITS, PATIENCE, TOLERANCE


def _network(X, y):
    network = keras.Sequential(
        [
            keras.Input((X.shape[1],)),
            keras.layers.Dense(HIDDEN_UNITS, activation="relu"),
            keras.layers.Dense(y.shape[1], activation="softmax"),
        ]
    )
    network.compile(keras.optimizers.Adam(0.001), "categorical_crossentropy")
    return network


class _Classifier(SKLearnClassifier):
    """Keras's wrapper, seeded at each fit, with the probabilities that it leaves out."""

    random_state = 0

    def fit(self, X, y, **fit_params):
        keras.utils.set_random_seed(self.random_state)
        return super().fit(X, y, **fit_params)

    def predict_proba(self, X):
        return self.model_.predict(X, verbose=0)

    def predict(self, X):
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]


def make_keras_classifier(random_state, epochs):
    """MLPClassifier's defaults and its stopping rule."""
    stop = keras.callbacks.EarlyStopping("loss", min_delta=TOLERANCE, patience=PATIENCE)
    fit_kwargs = {"epochs": epochs, "batch_size": BATCH_SIZE, "verbose": 0, "callbacks": [stop]}
    classifier = _Classifier(_network, fit_kwargs=fit_kwargs)
    classifier.random_state = random_state
    return classifier
