"""MLPClassifier's default network in PyTorch, behind skorch: float32, and no L2 penalty."""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping

from .estimators import BATCH_SIZE, HIDDEN_UNITS, PATIENCE, TOLERANCE


class _Net(torch.nn.Sequential):
    def __init__(self, n_features=1, n_classes=2):
        super().__init__(
            torch.nn.Linear(n_features, HIDDEN_UNITS),
            torch.nn.ReLU(),
            torch.nn.Linear(HIDDEN_UNITS, n_classes),
        )


class _Classifier(NeuralNetClassifier):
    """skorch's classifier, told the shapes by the data and seeded at each fit."""

    random_state = 0

    def fit(self, X, y, **fit_params):
        torch.manual_seed(self.random_state)
        self.set_params(module__n_features=X.shape[1], module__n_classes=len(np.unique(y)))
        return super().fit(X.astype(np.float32), y.astype(np.int64), **fit_params)

    def predict_proba(self, X):
        return super().predict_proba(X.astype(np.float32))


def make_skorch_classifier(random_state, epochs):
    """MLPClassifier's defaults and its stopping rule."""
    stop = EarlyStopping(
        "train_loss",
        patience=PATIENCE,
        threshold=TOLERANCE,
        threshold_mode="abs",
        sink=lambda message: None,
    )
    classifier = _Classifier(
        _Net,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.001,
        max_epochs=epochs,
        batch_size=BATCH_SIZE,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[stop],
        verbose=0,
    )
    classifier.random_state = random_state
    return classifier
