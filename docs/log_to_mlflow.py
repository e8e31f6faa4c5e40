"""Save a model with MLflow, load it, and predict as a server of MLflow does."""

import joblib
import mlflow
import pandas as pd

import skdense

model = joblib.load("model.joblib")
rows = pd.DataFrame({"age": [31.0, 52.0], "colour": ["blue", "red"]})

mlflow.set_tracking_uri("sqlite:///mlflow.db")
with mlflow.start_run():
    mlflow.log_metric("oof_loss", model.oof_loss_)
    info = mlflow.sklearn.log_model(
        model,
        name="model",
        skops_trusted_types=skdense.trusted_types(),
        pyfunc_predict_fn="predict_proba",  # the method that pyfunc's `predict` calls
        input_example=rows,
    )

loaded = mlflow.sklearn.load_model(
    info.model_uri
)  # a TabularClassifier, with all of its methods
sets = loaded.predict_set(rows)

served = mlflow.pyfunc.load_model(info.model_uri)
probabilities = served.predict(rows)
