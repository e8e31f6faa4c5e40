"""Serve a model over HTTP: a JSON list of rows in, predictions as JSON out."""

import json

import joblib
import pandas as pd

model = joblib.load("model.joblib")


def app(environ, start_response):
    """Answer one request; errors of the input are answered with status 400."""
    try:
        n_bytes = int(environ.get("CONTENT_LENGTH") or 0)
        rows = json.loads(environ["wsgi.input"].read(n_bytes))
        if not isinstance(rows, list) or not rows:
            raise ValueError("the body must be a JSON list with an object for each row")
        probabilities = model.predict_proba(pd.DataFrame(rows))
        status = "200 OK"
        answer = {
            "classes": model.classes_.tolist(),
            "probabilities": probabilities.tolist(),
        }
    except (TypeError, ValueError) as error:
        status, answer = "400 Bad Request", {"error": str(error)}
    body = json.dumps(answer).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
    ]
    start_response(status, headers)
    return [body]
