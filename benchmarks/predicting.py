"""What a process of `serving.py` runs: it only predicts, and imports nothing else from here."""

import pickle
import time
import warnings
from pathlib import Path

from benchmarks.process import peak_bytes


def predict(folder, way, calls):
    """Load a model and predict: seconds of the start, the first row, one row and many; bytes."""
    warnings.simplefilter("ignore")
    some = pickle.loads(Path(folder, f"{way}.rows").read_bytes())
    if way == "ONNX":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(Path(folder, way), options)

        def call(inputs):
            session.run(None, inputs)
    else:
        import joblib

        call = joblib.load(Path(folder, way)).predict_proba

    def seconds(inputs):
        start = time.perf_counter()
        call(inputs)
        return time.perf_counter() - start

    first = seconds(some[0])
    found = {"start": time.process_time(), "memory": peak_bytes(), "first": first}
    one, many = (min(seconds(inputs) for _ in range(calls)) for inputs in some)
    return found | {"one": one, "many": many}
