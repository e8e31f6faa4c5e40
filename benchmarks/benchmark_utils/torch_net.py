"""MLPClassifier's default network in PyTorch, behind skorch."""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping

from .estimators import BATCH_SIZE, EPOCHS, HIDDEN_UNITS, PATIENCE, TOLERANCE


def _network(n_features=1, n_classes=2):
    hidden = torch.nn.Linear(n_features, HIDDEN_UNITS)
    return torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(HIDDEN_UNITS, n_classes))


class _Classifier(NeuralNetClassifier):
    """skorch's classifier, told the shapes by the data."""

    def fit(self, X, y, **fit_params):
        self.set_params(module__n_features=X.shape[1], module__n_classes=len(np.unique(y)))
        return super().fit(X.astype(np.float32), y.astype(np.int64), **fit_params)

    def predict_proba(self, X):
        return super().predict_proba(X.astype(np.float32))


def skorch(random_state, max_iter=EPOCHS):
    """MLPClassifier's defaults and its stopping rule; the next fit is seeded."""
    torch.manual_seed(random_state)
    rule = {
        "patience": PATIENCE,
        "threshold": TOLERANCE,
        "threshold_mode": "abs",
        "sink": lambda _: None,
    }
    return _Classifier(
        _network,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.001,
        max_epochs=max_iter,
        batch_size=BATCH_SIZE,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[EarlyStopping("train_loss", **rule)],
        verbose=0,
    )
