"""What moved one prediction, the picture of both READMEs: `python docs/row.py` draws it anew."""

from pathlib import Path

import korean
import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from skdense import make_tabular_regressor
from skdense.inspection import ContributionsDisplay

if __name__ == "__main__":
    table, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X_train, X_test, y_train, _ = train_test_split(table, y, random_state=0)
    model = make_tabular_regressor(random_state=0).fit(X_train, y_train)
    for name in ("row", "row_ko"):
        korean.translate(None, name)
        figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        ContributionsDisplay.from_estimator(
            model, X_train, X_test[:1], random_state=0, ax=axes
        )
        axes.set_title("What moved the prediction of one patient")
        figure.savefig(Path(__file__).parent / "_static" / f"{name}.png", dpi=130)
