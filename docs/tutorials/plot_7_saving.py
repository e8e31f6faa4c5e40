"""
Saving a model, and using it elsewhere
======================================

A fitted estimator is NumPy arrays and Python's own types. It can be saved like any estimator of
scikit-learn, predicts without TensorFlow, and converts to ONNX.
"""

# %%
# Train a model and save it, once as it is and once as ONNX.

import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
from sklearn.datasets import load_iris

from skdense import LowLevelMLPClassifier
from skdense.onnx import to_onnx

X, y = load_iris(return_X_y=True)
model = LowLevelMLPClassifier(
    (10,), learning_rate_init=0.02, max_iter=100, random_state=0
).fit(X, y)
folder = Path(tempfile.mkdtemp())
joblib.dump(model, folder / "model.joblib")
(folder / "model.onnx").write_bytes(to_onnx(model).SerializeToString())
print(
    [
        f"{path.name}: {path.stat().st_size / 1000:.0f} kB"
        for path in sorted(folder.iterdir())
    ]
)

# %%
# Load each file in a new process and predict. Neither TensorFlow nor, for the second file, skdense is
# imported.

of_joblib = """
import sys, joblib
print(joblib.load(sys.argv[1]).predict([[6.1, 2.8, 4.7, 1.2]]))
"""
of_onnx = """
import sys, numpy, onnxruntime
row = numpy.array([[6.1, 2.8, 4.7, 1.2]], dtype="float32")
print(onnxruntime.InferenceSession(sys.argv[1]).run(["label"], {"X": row})[0])
"""
modules = 'print({name: name in sys.modules for name in ("skdense", "tensorflow")})'
for name, script in {"model.joblib": of_joblib, "model.onnx": of_onnx}.items():
    command = [sys.executable, "-c", script + modules, folder / name]
    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

# %%
# Training goes on from a saved model, as the state of the optimizer is saved too.

loaded = joblib.load(folder / "model.joblib")
for _ in range(50):
    loaded.partial_fit(X, y)
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(loaded.loss_curve_)
ax.axvline(model.n_iter_, color="k", ls="--", label="saved and loaded")
ax.set(
    xlabel="epoch",
    ylabel="training loss",
    yscale="log",
    title="Training goes on after loading",
)
ax.legend()
plt.show()

# %%
# :doc:`/saving` describes ONNX, skops, and what to consider before you load a file.
