"""What a user's type checker sees: pyright reads this file with the lint, and pytest does not."""

import numpy as np

from skdense import (
    LowLevelMLPClassifier,
    LowLevelMLPRegressor,
    TabularClassifier,
    TabularRegressor,
    fit_many,
)
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.search import PrunedSearchCV
from skdense.tabular import TableEncoder, TableScaler

X, y = np.zeros((10, 2)), np.arange(10) % 2

classifier: LowLevelMLPClassifier = LowLevelMLPClassifier((8,), random_state=0).fit(X, y)
last_losses: list[float] = classifier.loss_curve_[-2:] + classifier.accuracy_curve_[-2:]
shape: tuple[int, ...] = classifier.coefs_[0].shape + classifier.classes_.shape

regressor = LowLevelMLPRegressor(hidden_layer_sizes=(8,)).fit(X, y)
n_epochs: int = regressor.n_iter_ + regressor.n_features_in_

scores: list[float] | None = classifier.validation_scores_
inputs: tuple[int, list[str]] = (classifier.n_features_in_, classifier.feature_names_in_.tolist())
settings: tuple[str, float] = (classifier.solver, regressor.learning_rate_init)

search: PrunedSearchCV = PrunedSearchCV(classifier, {"alpha": [0, 1]}, cv=2).fit(X, y)
best: tuple[float, dict, int] = (search.best_score_, search.best_params_, search.n_iterations_)
epochs: list[int] = search.n_resources_[:2]

several: list[LowLevelMLPClassifier] = fit_many([LowLevelMLPClassifier() for _ in range(2)], X, y)
tables: TabularClassifier = TabularClassifier(random_state=0).fit(X, y)
loss: float = TabularRegressor(models=["linear"], network_params={"dropout": 0.2}).fit(X, y).oof_loss_

dropped: dict[str, str] = tables.encoder_.dropped_
blend: BlendClassifier = tables.ensemble_
numbers: tuple[float, float] = (tables.oof_loss_, tables.ensemble_.temperature_)
width: int = tables.n_features_in_ + TableScaler().fit(X).n_features_in_
roles: list[str] = TableEncoder().fit(X).output_roles_.tolist()
members: CrossFitClassifier = CrossFitClassifier(classifier, cv=2, random_state=0).fit(X, y)
weights: list[float] = BlendClassifier([("networks", members)]).fit(X, y).weights_.tolist()
averaged = CrossFitRegressor(regressor, scale_y=True).fit(X, y)
losses: float = averaged.oof_loss_ + BlendRegressor([("networks", averaged)]).fit(X, y).oof_score_
names: list[str] = averaged.feature_names_in_.tolist() + members.classes_.tolist()
