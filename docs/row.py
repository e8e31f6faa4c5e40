"""What moved one prediction, the picture of both READMEs: `python docs/row.py` draws it anew."""

from pathlib import Path

import korean
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from skdense import make_tabular_regressor
from skdense.inspection import contributions

if __name__ == "__main__":
    table, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X_train, X_test, y_train, _ = train_test_split(table, y, random_state=0)
    model = make_tabular_regressor(random_state=0).fit(X_train, y_train)
    (values,), (errors,), mean, (prediction,) = contributions(
        model, X_train, X_test[:1], random_state=0
    )
    names = [f"{name} = {value:.4g}" for name, value in X_test.iloc[0].items()]
    moved = pd.DataFrame({"change": values, "error": 2 * errors}, index=names)
    moved = moved.sort_values("change", key=abs)
    colors = np.where(moved.change > 0, "tab:orange", "tab:blue")
    for name in ("row", "row_ko"):
        korean.translate(None, name)
        figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        bars = axes.barh(
            moved.index, moved.change, xerr=moved.error, color=colors, ecolor="gray"
        )
        axes.bar_label(bars, fmt="{:+.1f}", padding=4)
        axes.axvline(0, color="gray", linewidth=0.8)
        axes.margins(x=0.15, y=0.02)
        axes.set_xlabel(
            f"change of the prediction\nmean {mean:.4g}, this row {prediction:.4g}"
        )
        axes.set_title("What moved the prediction of one patient")
        figure.savefig(Path(__file__).parent / "_static" / f"{name}.png", dpi=130)
