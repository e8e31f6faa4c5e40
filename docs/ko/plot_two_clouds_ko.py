r"""
두 가우스 데이터 무리와 아주 작은 신경망
========================================

직접 작성한 완전 연결층(dense layer) 세 개, 가장 단순한 미니배치 경사 하강법(minibatch gradient
descent), 가우스 분포(Gaussian distribution)에서 뽑은 데이터 무리 두 개. 노트북 하나면 충분합니다.
그런데 몇 번만 실행해 보면 두 가지 의문이 생깁니다. 짧게 답하면 다음과 같습니다.

- **왜 실행할 때마다 결과가 다를까?** 노트북은 실행할 때마다 두 가지를 새로 뽑습니다. 데이터는
  NumPy가, 초기 가중치는 TensorFlow가 뽑습니다. 그 밖에 무작위인 것은 없고, 시간과도 관계가 없습니다.
  두 시드를 모두 정하면 언제나 같은 결과가 나옵니다.
- **왜 층을 넓히면 결과가 나빠질까?** [0, 1) 구간에서 뽑은 가중치는 부호가 모두 같아서 모든 유닛의
  변화가 한 방향으로 더해집니다. 층이 넓으면 처음 몇 스텝이 너무 커서, 모든 유닛이 모든 샘플에서 음수
  쪽으로 밀려납니다. 그런 유닛은 그레이디언트를 받지 못하므로 신경망은 *붕괴(collapse)*\ 하고,
  출력층의 편향만 계속 훈련됩니다. 에포크는 클래스 1의 미니배치 열 개로 끝나고, 그때 이 편향은
  0.903이 됩니다. 그래서 모든 샘플의 출력이 0.903인데, 0.5보다 크므로 **모든 샘플이 양성으로
  판단되고**, 그 절반만 맞습니다. 값이 커지는 것은 사실이지만 처음 몇 스텝에서만 그렇습니다(너비
  10에서 첫 출력은 약 38). 양수와 음수가 섞여 있고 층이 넓을수록 작은
  가중치(``init="glorot_uniform"``)를 쓰거나 학습률(learning rate)을 줄이면 됩니다.

직접 작성한 TensorFlow 노트북이라면 두 시드를 한 번씩 정한 다음, 층마다 가중치를 이렇게 뽑으세요.

.. code-block:: python

   np.random.seed(0)  # 데이터를 뽑기 전에 한 번만
   tf.random.set_seed(0)  # 가중치를 뽑기 전에 한 번만
   limit = (6 / (n_in + n_out)) ** 0.5  # 글로럿 균등 분포
   kernel = tf.Variable(tf.random.uniform((n_in, n_out), -limit, limit))

``kernel``\ 은 그 층의 ``W``\ 입니다. ``n_in``\ 과 ``n_out``\ 은 첫 층에서는 2와 너비, 둘째 층에서는
너비와 너비, 마지막 층에서는 너비와 1입니다. ``tf.keras.utils.set_random_seed(0)`` 한 줄로 두 시드를
한꺼번에 정할 수도 있습니다. TensorFlow의 시드만 정하면 실행할 때마다 데이터가 달라지고, 정확도도
달라집니다.

``tf.keras.initializers.GlorotUniform``\ 도 같은 분포에서 뽑습니다. 다만 Keras 3에서는
``tf.random.set_seed``\ 를 따르지 않으므로 ``GlorotUniform(seed=1)``, ``GlorotUniform(seed=2)``\ 처럼
층마다 다른 시드를 주세요.

아래에서는 같은 실험을 :class:`~skdense.LowLevelMLPClassifier`\ 로 다시 해 보고, 두 질문의 답을 직접
측정하여 확인합니다. 라이브러리의 어느 줄이 노트북의 어느 줄에 해당하는지는 :doc:`/notebook`
페이지(영어)에 있습니다.

영어 원문은 :doc:`/auto_examples/plot_two_clouds` 페이지에 있습니다. 코드와 출력은 두 언어에서 같고,
그림의 글자만 우리말로 옮겼습니다. 코드를 직접 실행하면 그림의 글자는 영어로 나옵니다.
"""

# %%
# 데이터
# ------
# (0, 3) 주위의 샘플(sample) 천 개가 클래스(class) 0, (3, 0) 주위의 천 개가 클래스 1입니다. 클래스 0이
# 먼저 오는 이 순서 그대로, float32로 되어 있습니다. 노트북은 데이터를 실행할 때마다 새로 뽑지만,
# 여기서는 ``random_state=0``\ 으로 고정합니다. 노트북에서 ``np.random.seed(0)``\ 을 쓰는 것과 같습니다.

# sphinx_gallery_thumbnail_number = 4
import copy
import textwrap
import warnings
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import DecisionBoundaryDisplay

from skdense import LowLevelMLPClassifier, fit_many
from skdense.datasets import make_two_clouds
from skdense.exceptions import CollapseWarning
from skdense.inspection import dead_units

X, y = make_two_clouds(random_state=0)
print(X.shape, X.dtype, np.bincount(y))

# %%
# 신경망
# ------
# ReLU 유닛(rectified unit) 두 개짜리 은닉층(hidden layer) 두 개와 선형 출력 하나로 이루어지며, 제곱
# 오차(squared error)를 손실 함수(loss function)로 씁니다. 가중치(kernel)는 [0, 1) 구간의 균등
# 분포(uniform distribution)에서 뽑고, 편향(bias)은 0에서 시작합니다. 스텝(step)마다 샘플을 섞지 않고
# 순서대로 다음 100개를 써서 경사 하강법을 적용합니다. 에포크(epoch) 수는 우리가 정할 것이므로
# ``tol=0``\ 과 ``n_iter_no_change=np.inf``\ 로 조기 종료(early stopping)를 끕니다. 따라서 훈련이
# 수렴(convergence)하지 않았다는 경고가 나오는 것은 당연합니다.

warnings.simplefilter("ignore", ConvergenceWarning)


def make_network(width=2, **changes):
    """노트북의 신경망에서 일부 설정을 바꾼 것."""
    settings = {
        "hidden_layer_sizes": (width, width),
        "activation": "relu",
        "loss": "squared_error",
        "init": "uniform",
        "solver": "sgd",
        "momentum": 0,
        "learning_rate_init": 0.1,
        "batch_size": 100,
        "shuffle": False,
        "alpha": 0,
        "max_iter": 100,
        "tol": 0,
        "n_iter_no_change": np.inf,
    }
    return LowLevelMLPClassifier(**{**settings, **changes})


def report(network, epochs):
    """고른 에포크의 손실과 정확도를 출력한다."""
    for epoch in epochs:
        loss, accuracy = (
            network.loss_curve_[epoch - 1],
            network.accuracy_curve_[epoch - 1],
        )
        print(f"epoch {epoch:3d}   loss {loss:.6f}   accuracy {accuracy:.4f}")


network = make_network(random_state=2, warm_start=True).fit(X, y)
report(network, epochs=[1, 10, 50, 100])
print(f"accuracy after 100 epochs: {network.score(X, y):.4f}")

# %%
# ``warm_start=True``\ 이면 ``fit``\ 을 다시 호출할 때 지난번에 끝난 곳에서 훈련을 이어 가고, 곡선도
# 이어집니다. 500 에포크를 더 훈련합니다.

network.set_params(max_iter=500).fit(X, y)
report(network, epochs=[200, 400, 600])
print(f"accuracy after 600 epochs: {network.score(X, y):.4f}")

# %%
# 이런 샘플에서는 어떤 분류기도 평균 정확도 99.87%를 넘을 수 없으므로 더 나아질 여지가 없습니다.
# 신경망이 배운 것은 두 데이터 무리를 잇는 선을 가로지르는 완만한 계단 하나입니다. 아래 그림에서 왼쪽은
# 600 에포크 뒤의 예측 확률, 가운데는 손실(loss), 오른쪽은 훈련 정확도(training accuracy)입니다.


def plot_clouds(network, axes):
    """클래스 1의 예측 확률 위에 샘플을 그린다."""
    display = DecisionBoundaryDisplay.from_estimator(
        network,
        X,
        response_method="predict_proba",
        plot_method="pcolormesh",
        cmap="RdBu_r",
        vmin=0,
        vmax=1,
        alpha=0.5,
        ax=axes,
    )
    for label, color in enumerate(["tab:blue", "tab:red"]):
        axes.scatter(*X[y == label].T, s=4, color=color, label=f"class {label}")
    axes.set(xlabel="feature 0", ylabel="feature 1")
    axes.legend(loc="upper right")
    return display.surface_


figure, (clouds, losses, accuracies) = plt.subplots(
    1, 3, figsize=(12, 3.8), layout="constrained"
)
surface = plot_clouds(network, clouds)
figure.colorbar(surface, ax=clouds, label="probability of class 1")
clouds.set_title("after 600 epochs")
losses.semilogy(network.loss_curve_)
losses.set(xlabel="epoch", title="loss")
accuracies.plot(network.accuracy_curve_)
accuracies.set(xlabel="epoch", title="training accuracy", ylim=(0.98, 1.001))
plt.show()

# %%
# 왜 실행할 때마다 결과가 다를까?
# -------------------------------
# 같은 신경망을 ``random_state``\ 를 0부터 9까지 바꿔 가며 훈련한 결과입니다.

networks = fit_many([make_network(random_state=seed) for seed in range(10)], X, y)
for seed, network in enumerate(networks):
    print(f"random_state={seed}   accuracy {network.score(X, y):.4f}")

# %%
# 훈련 과정에는 무작위성이 없습니다. 미니배치는 순서대로 들어오고, 경사 하강법은 난수를 쓰지 않습니다.
# 데이터는 고정했으므로 무작위로 뽑는 것은 초기 가중치뿐입니다. ``random_state=None``\ 이면 NumPy의 전역
# 난수 상태에서 뽑는데, 이 상태가 실행할 때마다 다르므로 매번 다른 가중치에서 출발합니다. 정수를 주면
# 비트 단위까지 똑같은 결과가 나옵니다.

once, again = (make_network(random_state=2).fit(X, y) for _ in range(2))
print("same losses:    ", once.loss_curve_ == again.loss_curve_)
print(
    "same parameters:", all((a == b).all() for a, b in zip(once.coefs_, again.coefs_))
)

# %%
# 붕괴한 신경망의 모습
# --------------------
# 위의 결과 중 몇몇은 정확도(accuracy)가 정확히 0.5입니다. **붕괴(collapse)**\ 한 것입니다. 훈련이
# 이렇게 끝나면 ``fit``\ 은 :class:`~skdense.exceptions.CollapseWarning` 경고를 냅니다. 이 경고는
# ConvergenceWarning의 한 종류여서 위에서는 나오지 않게 해 두었습니다. 그 내용은 이렇습니다.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", CollapseWarning)
    collapsed = make_network(random_state=0).fit(X, y)
print(textwrap.fill(f"CollapseWarning: {caught[-1].message}", 88))

# %%
# 은닉층 2의 유닛 2개가 모두 모든 샘플에 같은 출력을 내고, 신경망도 그렇다는 뜻입니다. 부호가 같은
# 가중치만 뽑는 ``init='uniform'``\ 을 원인으로 짚고, ``init='glorot_uniform'``, 더 작은 학습률(learning
# rate), ``n_init``\ 을 권합니다. 왜 이 조언이 옳은지는 아래에서 차례로 보이겠습니다. 먼저 이 신경망과
# 붕괴하지 않은 신경망의 은닉 유닛이 전체 샘플에서 어떤 값을 내는지 봅니다.


def hidden_values(network, X):
    """각 은닉층의 값, ``(n_samples, width)``."""
    values = []
    for kernel, bias in list(zip(network.coefs_, network.intercepts_))[:-1]:
        X = np.maximum(X @ kernel + bias, 0)
        values.append(X)
    return values


sound = networks[2]
for name, network in [("sound", sound), ("collapsed", collapsed)]:
    outputs = network.predict_proba(X)[:, 1]
    print(f"{name}: outputs from {outputs.min():.4f} to {outputs.max():.4f}")
    for layer, values in enumerate(hidden_values(network, X), start=1):
        print(
            f"  layer {layer}: largest value of each unit {values.max(axis=0).round(3)}"
        )

# %%
# 붕괴한 신경망에서는 두 번째 층의 두 유닛이 모든 샘플에서 0입니다. **죽은 유닛(dead unit)**\ 입니다.
# ReLU 유닛의 값이 0이면 그레이디언트(gradient)도 0입니다. 그래서 모든 샘플에서 0인 유닛은 다시는
# 그레이디언트를 받지 못하고, 그 앞의 층들도 마찬가지입니다. 신경망에 남은 것은 출력층의 편향, 곧 모든
# 샘플에 똑같은 수 하나뿐입니다.
#
# 이 수는 타깃(target)의 평균인 0.5로 다가가야 할 것입니다. 샘플을 섞으면 실제로 그 근처에 머무릅니다.
# 클래스 순서대로 훈련하면 지금 보고 있는 클래스를 따라갑니다. 스텝마다 편향 ``b``\ 가
# ``b + 0.2 * (target - b)``\ 로 바뀌므로 한 에포크 동안 0.1과 0.9 사이를 오갑니다. 클래스 1의 미니배치
# 열 개가 지나간 에포크 끝에서는 ``1 / (1 + 0.8**10)``, 곧 0.903이 됩니다. 0.5보다 크므로 신경망은 모든
# 샘플을 클래스 1로 판단합니다.

shuffled = make_network(random_state=0, shuffle=True).fit(X, y)
print(f"output bias, in class order {collapsed.intercepts_[-1][0]:.3f}")
print(f"output bias, shuffled       {shuffled.intercepts_[-1][0]:.3f}")

# %%
# 아래의 정확도 곡선이 0.5가 아니라 0.7에서 끝나는 까닭도 여기에 있습니다. ``accuracy_curve_``\ 는 각
# 미니배치의 정확도를 스텝 직전에 셉니다. 방금 본 클래스를 따라가는 편향은 미니배치 10개 가운데 7개쯤을
# 맞힙니다. 반면 ``score``\ 는 훈련이 끝난 신경망 하나를 전체 샘플로 평가하므로 0.5가 됩니다.

figure, (clouds, accuracies) = plt.subplots(
    1, 2, figsize=(9, 3.8), layout="constrained"
)
surface = plot_clouds(collapsed, clouds)
figure.colorbar(surface, ax=clouds, label="probability of class 1")
clouds.set_title("a collapsed network")
accuracies.plot(sound.accuracy_curve_, label="sound")
accuracies.plot(collapsed.accuracy_curve_, label="collapsed")
accuracies.axhline(
    collapsed.score(X, y), color="gray", linestyle=":", label="collapsed, score"
)
accuracies.set(xlabel="epoch", ylabel="accuracy_curve_", ylim=(0.4, 1.02))
accuracies.legend(loc="upper right", bbox_to_anchor=(1, 0.92))
plt.show()

# %%
# 왜 층을 넓히면 붕괴할까?
# ------------------------
# [0, 1) 구간에서 뽑은 가중치는 크고, 부호가 모두 같습니다. 먼저 크기를 봅시다. 서로 상쇄되는 항이
# 없으므로 각 유닛은 앞 층의 값을 모두 더합니다. 너비(width)가 w인 층은 값을 w / 2배쯤으로 키우고,
# 은닉층이 두 개이면 첫 예측값은 w의 제곱에 비례하여 커집니다. 그런데 타깃은 0과 1입니다.
#
# 초기 가중치는 ``RandomState`` 하나에서 층마다 차례로 뽑으므로, 첫 예측값은 훈련하지 않고도 계산할 수
# 있습니다.

widths = [2, 4, 5, 10, 20]
seeds = range(40)


def initial_kernels(width, seed):
    """``init="uniform"``이 뽑는 가중치."""
    stream = np.random.RandomState(seed)
    return [stream.uniform(0, 1, shape) for shape in pairwise([2, width, width, 1])]


def first_predictions(width, seed):
    """첫 스텝 전 신경망의 출력."""
    values = X
    for kernel in initial_kernels(width, seed):
        values = np.maximum(values @ kernel, 0)  # 출력은 어차피 음수가 아니다
    return values


first = [
    np.mean([first_predictions(width, seed) for seed in seeds]) for width in widths
]
for width, prediction in zip(widths, first):
    print(f"width {width:2d}   mean first prediction {prediction:6.1f}")

# %%
# 너비가 10이면 0이어야 할 첫 예측값이 38.5나 되어서 그레이디언트가 엄청나게 커집니다. 가중치가 모두
# 양수이므로 그레이디언트의 부호도 모든 유닛에서 같습니다. 모두 **아래**\ 를 향합니다. 첫 스텝에서
# 가중치와 편향이 0보다 한참 아래로 내려갑니다. 이 과정을 지켜봅시다. ``partial_fit``\ 은 미니배치
# 하나를 받으면 한 스텝만 나아갑니다. 아래는 처음 열 개 시드(seed)의 평균입니다.


def dead_fraction(network):
    """두 번째 층에서 죽은 유닛의 비율."""
    return dead_units(network, X)[1].mean()


def dead_after_each_step(width, seed):
    """첫 에포크의 스텝마다 구한 죽은 유닛의 비율."""
    network = make_network(width, random_state=seed)
    fractions = []
    for start in range(0, len(X), 100):
        rows = slice(start, start + 100)
        network.partial_fit(X[rows], y[rows], classes=[0, 1])
        fractions.append(dead_fraction(network))
    return fractions


dead = {
    width: np.mean([dead_after_each_step(width, seed) for seed in range(10)], axis=0)
    for width in (2, 5, 20)
}
print("dead units of layer 2 after   1 step   10 steps   20 steps")
for width, fractions in dead.items():
    print(
        f"width {width:2d}",
        " " * 18,
        "".join(f"{fractions[k - 1]:10.0%}" for k in (1, 10, 20)),
    )

# %%
# 두 번째 층이 넓으면 단 한 스텝 만에 유닛이 거의 다 죽습니다. 층이 좁으면 타깃이 모두 0인 처음 열 스텝
# 동안은 일부가 살아남지만, 클래스가 바뀔 때 죽습니다. 왼쪽 그림은 너비에 따른 첫 예측값의 평균, 오른쪽
# 그림은 스텝에 따른 두 번째 층의 죽은 유닛 비율입니다.

figure, (predictions, deaths) = plt.subplots(
    1, 2, figsize=(9, 3.8), layout="constrained"
)
predictions.loglog(widths, first, "o-", label="measured")
predictions.loglog(
    widths,
    3 * np.square(widths) / 8,
    ":",
    color="gray",
    label=r"$3 w^2 / 8$, its expectation",
)
predictions.axhline(1, color="tab:red", linewidth=1, label="the larger target")
predictions.set(
    xlabel="width", ylabel="mean first prediction", xticks=widths, xticklabels=widths
)
predictions.set_title("wide networks first predict too much")
predictions.minorticks_off()
predictions.legend()
for width, fractions in dead.items():
    deaths.plot(range(1, len(fractions) + 1), fractions, label=f"width {width}")
deaths.axvline(10.5, color="gray", linewidth=1, linestyle=":")
deaths.set(
    xlabel="steps", ylabel="dead units of layer 2", ylim=(0, 1.05), xticks=[1, 10, 20]
)
deaths.set_title("one step kills most of their units")
deaths.legend(loc="center right")
plt.show()

# %%
# 얼마나 자주 붕괴하고, 무엇이 도움이 될까?
# -----------------------------------------
# 같은 신경망을 너비와 초기화 방법을 바꾸고 리키 ReLU(leaky ReLU)도 써 가며 시드 40개씩, 모두 1000개
# 훈련합니다. :func:`~skdense.fit_many` 함수가 이들을 나란히 훈련합니다. 신경망은
# **발산(divergence)**\ 하기도 합니다. 스텝이 점점 커져 매개변수(parameter)가 오버플로(overflow)를
# 일으키는 경우입니다. 이때 ``fit_many``\ 는 나머지를 모두 훈련한 다음 ``fit``\ 과 똑같은
# ``ValueError``\ 를 내고, 훈련에 실패한 추정기(estimator)는 원래대로 둡니다.

starts = {
    "uniform": {"init": "uniform"},
    "glorot_uniform": {"init": "glorot_uniform"},
    "he_uniform": {"init": "he_uniform"},
    "uniform, leaky_relu": {"init": "uniform", "activation": "leaky_relu"},
    "uniform, rate 0.001": {"init": "uniform", "learning_rate_init": 0.001},
}
networks = {
    (name, width): [make_network(width, random_state=seed, **changes) for seed in seeds]
    for name, changes in starts.items()
    for width in widths
}


def collapses(network):
    """모든 샘플에 같은 출력을 내는 신경망인지 여부."""
    return np.ptp(network.predict_proba(X)[:, 1]) < 1e-6


def fates(settings):
    """설정마다 붕괴한 신경망의 수, 발산한 신경망의 수, 죽은 유닛의 비율."""
    try:
        fit_many([network for group in settings.values() for network in group], X, y)
    except ValueError as error:
        print("ValueError:", str(error).partition(".")[0])
    found = {}
    with np.errstate(over="ignore"):  # 발산하기 직전에 끝나는 신경망도 있다
        for setting, group in settings.items():
            trained = [
                network for network in group if getattr(network, "n_iter_", 0) == 100
            ]
            dead = (
                np.mean([dead_fraction(network) for network in trained])
                if trained
                else np.nan
            )
            found[setting] = (
                sum(map(collapses, trained)),
                len(group) - len(trained),
                dead,
            )
    return found


fate = fates(networks)
print("collapsed + diverged of", len(seeds), "networks (dead units of layer 2)")
print(" " * 19 + "".join(f"{f'width {width}':>14}" for width in widths))
for name in starts:
    cells = [fate[name, width] for width in widths]
    texts = [
        f"{collapsed} + {diverged} ({dead:.0%})" for collapsed, diverged, dead in cells
    ]
    print(f"{name:19}" + "".join(f"{text.replace('nan%', '-'):>14}" for text in texts))

# %%

figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True, layout="constrained")
for axis, title, column in zip(axes, ("collapsed", "diverged"), (0, 1)):
    for name, marker in zip(starts, "osD^v"):
        counts = [fate[name, width][column] for width in widths]
        axis.plot(range(len(widths)), counts, marker=marker, label=name, alpha=0.8)
    axis.set(title=title, xlabel="width", xticks=range(len(widths)), xticklabels=widths)
axes[0].set(ylabel=f"networks of {len(seeds)}", yticks=range(0, len(seeds) + 1, 10))
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# 기본값인 글로럿(Glorot) 초기화의 가중치는 양수와 음수가 섞여 있고, 층이 넓을수록 작습니다. 그래서 넓은
# 층은 안전하고, 오히려 유닛이 몇 개뿐인 가장 좁은 층이 유닛을 모두 잃기 쉽습니다. 허(He) 초기화의
# 가중치는 더 커서 이 학습률에는 지나치게 큽니다. 학습률을 100분의 1로 줄이면 균등 분포로 시작한
# 신경망도 가장 넓은 것만 빼고 모두 살아납니다. 가장 넓은 신경망은 첫 스텝이 여전히 너무 큽니다.
#
# 리키 ReLU는 어디서나 그레이디언트가 있으므로 죽는 유닛도, 붕괴하는 신경망도 없습니다. 하지만 한 스텝에
# 움직이는 크기는 그대로입니다. 좁은 신경망은 견뎌 내고 나머지는 발산하며, 너비 10부터는 40개가 모두
# 발산합니다. 붕괴와 달리 오류가 나므로 놓칠 일은 없지만, 실패했다는 점은 같습니다.
#
# 크기 탓일까, 부호 탓일까?
# -------------------------
# 균등 분포의 가중치는 클 뿐 아니라 부호도 모두 같습니다. 붕괴를 일으키는 것은 어느 쪽일까요? 너비
# 20에서 하나씩 바꿔 봅시다. 가중치를 U(0, 2 / fan_in)으로 줄이면 유닛의 값이 앞 층 값들의 평균과
# 비슷해집니다. U(-1, 1)로 범위를 넓히면 양수와 음수가 섞입니다. 둘을 함께 할 수도 있습니다.
# ``init``\ 에는 이런 선택지가 없지만, ``warm_start=True``\ 이면 ``coefs_``\ 와 ``intercepts_``\ 에서
# 훈련을 시작하므로 이 두 속성에 원하는 값을 직접 넣으면 됩니다.

kinds = {
    "U(0, 1)": lambda kernel: kernel,
    "U(0, 2 / fan_in)": lambda kernel: kernel * 2 / len(kernel),
    "U(-1, 1)": lambda kernel: 2 * kernel - 1,
    "U(-2 / fan_in, 2 / fan_in)": lambda kernel: (2 * kernel - 1) * 2 / len(kernel),
}
rates = [0.1, 0.02]
fitted = {
    rate: make_network(
        20, init="glorot_uniform", learning_rate_init=rate, max_iter=1
    ).fit(X, y)
    for rate in rates
}


def start_from(kernels, rate):
    """주어진 가중치와 0인 편향에서 훈련을 시작할 신경망."""
    network = copy.deepcopy(fitted[rate]).set_params(max_iter=100, warm_start=True)
    network.coefs_ = [kernel.astype(X.dtype) for kernel in kernels]
    network.intercepts_ = [np.zeros_like(bias) for bias in network.intercepts_]
    return network


def mean_prediction(network):
    """모든 샘플에 대한 출력의 평균, 확률 범위로 자르지 않은 값."""
    return (
        hidden_values(network, X)[-1] @ network.coefs_[-1] + network.intercepts_[-1]
    ).mean()


def prediction_after_a_step(network):
    """신경망의 복사본이 첫 미니배치로 한 스텝 나아간 뒤의 출력 평균."""
    one_step = copy.deepcopy(network).set_params(
        warm_start=False
    )  # True이면 두 클래스가 모두 필요하다
    return mean_prediction(one_step.partial_fit(X[:100], y[:100]))


networks = {
    (name, rate): [
        start_from(list(map(change, initial_kernels(20, seed))), rate) for seed in seeds
    ]
    for name, change in kinds.items()
    for rate in rates
}
before = {
    setting: np.mean([*map(mean_prediction, group)])
    for setting, group in networks.items()
}
after = {
    setting: np.mean([*map(prediction_after_a_step, group)])
    for setting, group in networks.items()
}
fate = fates(networks)

title = f"width 20, {len(seeds)} networks"
print(f"{title:27} rate  first prediction  after a step  collapsed + diverged")
for (name, rate), (n_collapsed, n_diverged, _) in fate.items():
    predictions = f"{before[name, rate]:16.1f} {after[name, rate]:13.1f}"
    print(f"{name:27} {rate:<5}{predictions} {n_collapsed:11} + {n_diverged}")

# %%
# 부호가 같은 작은 가중치로 시작하면 예측값이 1.6쯤으로 타깃에 가깝습니다. 그런데도 학습률이 0.1이면
# 40번 중 36번 붕괴합니다. 한 층의 모든 유닛이 부호가 같은 그레이디언트를 받아 한 스텝에 모두 같은
# 쪽으로 움직이고, 그 변화가 출력에서 더해지기 때문입니다. 출력은 1.6에서 타깃을 훌쩍 지나 -6.6까지
# 내려갑니다. 이런 스텝이 이어지면 두 번째 층의 모든 유닛이 음수 쪽으로 밀려나 출력이 0이 됩니다.
# 학습률이 0.02이면 첫 스텝 뒤의 출력이 -2.3이고, 여기서는 모든 신경망이 회복합니다.
#
# U(-1, 1)의 가중치는 균등 분포의 가중치만큼 크지만, 어떤 유닛은 위로, 어떤 유닛은 아래로 움직이므로 두
# 번째 층을 통째로 잃는 신경망은 드뭅니다. 그 대신 스텝이 점점 커져 매개변수가 오버플로를 일으킵니다.
# 40개 가운데 38개가 발산하고 2개가 붕괴합니다. 양수와 음수가 섞인 작은 가중치는 붕괴하지도 발산하지도
# 않습니다.
#
# 정리하면, 넓은 신경망은 가중치의 부호가 같고, **그와 동시에** 여러 유닛에 걸쳐 더해지는 스텝이 너무 클
# 때 붕괴합니다. 가중치가 크고 층이 넓으면 스텝이 커집니다. 가중치에 양수와 음수가 섞여 있으면 너무 큰
# 스텝은 대개 발산으로 이어지고, ``fit``\ 이 오류를 냅니다. 해결책은 ``init="glorot_uniform"``\ 이나 더
# 작은 학습률입니다.
#
# 그래도 초기 가중치를 잘못 뽑을 수 있다면 여러 번 뽑아 보세요. ``n_init``\ 은 여러 초기 가중치에서
# 한꺼번에 훈련하여 손실이 가장 작은 신경망을 남깁니다. 아래 여덟 개 가운데 첫 번째가 앞에서 본
# 붕괴한 신경망입니다.

best = make_network(random_state=0, n_init=8).fit(X, y)
print("losses of the draws:", best.init_losses_.round(4))
print(f"accuracy of the best: {best.score(X, y):.4f}")
