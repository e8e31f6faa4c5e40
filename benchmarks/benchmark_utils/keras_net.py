"""MLPClassifier's default network in Keras, behind its own wrapper."""

import keras
import numpy as np
from keras.wrappers import SKLearnClassifier

from .estimators import BATCH_SIZE, EPOCHS, HIDDEN_UNITS, PATIENCE, TOLERANCE


def _network(X, y):
    hidden = keras.layers.Dense(HIDDEN_UNITS, activation="relu")
    output = keras.layers.Dense(y.shape[1], activation="softmax")
    network = keras.Sequential([keras.Input((X.shape[1],)), hidden, output])
    network.compile(keras.optimizers.Adam(0.001), "categorical_crossentropy")
    return network


class _Classifier(SKLearnClassifier):
    """Keras's wrapper, with the probabilities that it leaves out."""

    def predict_proba(self, X):
        return self.model_.predict(X, verbose=0)

    def predict(self, X):
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]


def Keras(random_state, max_iter=EPOCHS):
    """MLPClassifier's defaults and its stopping rule; the next fit is seeded."""
    keras.utils.set_random_seed(random_state)
    stop = keras.callbacks.EarlyStopping("loss", min_delta=TOLERANCE, patience=PATIENCE)
    fit_kwargs = {"epochs": max_iter, "batch_size": BATCH_SIZE, "verbose": 0, "callbacks": [stop]}
    return _Classifier(_network, fit_kwargs=fit_kwargs)
