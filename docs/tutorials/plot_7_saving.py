"""
Saving a model, and using it elsewhere
======================================

A fitted estimator is NumPy arrays and Python's own types. It can be saved like any estimator of
scikit-learn, predicts without TensorFlow, and converts to scikit-learn's own class.
"""

# %%
# Train here.

import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_iris

from skdense import LowLevelMLPClassifier

X, y = load_iris(return_X_y=True)
model = LowLevelMLPClassifier((10,), learning_rate_init=0.02, max_iter=100, random_state=0).fit(X, y)
folder = Path(tempfile.mkdtemp())
joblib.dump(model, folder / "model.joblib")
joblib.dump(model.to_sklearn(), folder / "sklearn.joblib")
print([f"{path.name}: {path.stat().st_size / 1000:.0f} kB" for path in sorted(folder.iterdir())])

# %%
# Predict there, in a new process. Neither TensorFlow nor, for the second file, skdense is imported.

script = """
import sys, joblib
model = joblib.load(sys.argv[1])
print(type(model).__name__, model.predict([[6.1, 2.8, 4.7, 1.2]]))
print({name: name in sys.modules for name in ("skdense", "tensorflow")})
"""
for name in ("model.joblib", "sklearn.joblib"):
    command = [sys.executable, "-c", script, folder / name]
    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

# %%
# And training goes on from a saved model.

loaded = joblib.load(folder / "model.joblib")
loaded.partial_fit(X, y)
print(np.round(loaded.loss_curve_[-2:], 4))

# %%
# :doc:`/saving` has ONNX, skops, and what to think of before loading a file.
