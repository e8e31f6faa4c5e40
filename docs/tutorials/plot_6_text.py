"""
Sparse text
===========

A text as a bag of words has thousands of features, nearly all of them zero. Sparse matrices are trained
without making them dense.
"""

# %%
# Does a docstring belong to NumPy or to SciPy? The texts are those of the installed packages. Their own
# names are taken out: with these it would be too easy.

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
    """The docstrings of the public names of modules, without names of packages."""
    objects = [
        getattr(module, name)
        for module in modules
        for name in dir(module)
        if name[0] != "_"
    ]
    texts = {each.__doc__ for each in objects if callable(each) and each.__doc__}
    return [
        re.sub(r"\b(numpy|np|scipy|stats|special)\b", " ", text)
        for text in sorted(texts)
    ]


of_numpy = docstrings(np, np.linalg, np.fft, np.random)
of_scipy = docstrings(scipy.special, scipy.stats)
texts = of_numpy + of_scipy
labels = ["NumPy"] * len(of_numpy) + ["SciPy"] * len(of_scipy)
train_texts, test_texts, train_labels, test_labels = train_test_split(
    texts, labels, random_state=0
)

model = make_pipeline(
    TfidfVectorizer(min_df=2, sublinear_tf=True, dtype=np.float32),
    LowLevelMLPClassifier((16,), learning_rate_init=0.005, tol=1e-3, random_state=0),
)
model.fit(train_texts, train_labels)
X = model[0].transform(train_texts)
share = X.nnz / np.prod(X.shape)
print(f"X: {X.shape[0]} texts, {X.shape[1]} words, {share:.1%} not zero")
print(f"accuracy on other texts: {model.score(test_texts, test_labels):.3f}")

# %%
# To see what the network has learned of a word, ask for the probability of a text of that word alone.

words = [
    "array",
    "dtype",
    "axis",
    "copy",
    "random",
    "function",
    "distribution",
    "gamma",
    "integral",
]
probabilities = model.predict_proba(words)[:, 1]
order = np.argsort(probabilities)
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.barh(np.array(words)[order], probabilities[order] - 0.5, left=0.5)
ax.axvline(0.5, color="k", lw=1)
ax.set(
    xlabel="probability of SciPy, for a text of one word",
    title="Words of NumPy and of SciPy",
)
plt.show()
