"""
Sparse text
===========

A bag of words has thousands of features, nearly all of them zero. Sparse matrices stay sparse.
"""

# %%
# Does a docstring belong to NumPy or to SciPy? The names of both are taken out of the texts.

import re

import matplotlib.pyplot as plt
import numpy as np
import scipy.special
import scipy.stats
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skdense import LowLevelMLPClassifier


def docstrings(*modules):
    """The docstrings of the functions of modules, without names of packages."""
    names = re.compile(r"\b(numpy|np|scipy|stats|special)\b")
    functions = [each for module in modules for each in vars(module).values()]
    texts = {each.__doc__ for each in functions if callable(each) and each.__doc__}
    return [names.sub(" ", text) for text in sorted(texts)]


of_numpy = docstrings(np, np.linalg, np.fft, np.random)
of_scipy = docstrings(scipy.special, scipy.stats)
texts = of_numpy + of_scipy
labels = ["NumPy"] * len(of_numpy) + ["SciPy"] * len(of_scipy)
texts, test_texts, labels, test_labels = train_test_split(texts, labels, random_state=0)

model = make_pipeline(
    TfidfVectorizer(min_df=2, sublinear_tf=True, dtype=np.float32),
    LowLevelMLPClassifier((16,), learning_rate_init=0.005, tol=1e-3, random_state=0),
)
model.fit(texts, labels)
print(f"{model[-1].n_features_in_} words")
print(f"accuracy on other texts: {model.score(test_texts, test_labels):.3f}")

words = "array dtype axis copy random function distribution gamma integral".split()
probabilities = model.predict_proba(words)[:, 1]
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.barh(words, probabilities)
axes.set_xlabel("probability of SciPy, for a text of one word")
plt.show()
