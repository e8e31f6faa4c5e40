"""# 가우시안 군집 두 개와 아주 작은 신경망

완전 연결층(dense layer) 세 개를 직접 구현하고, 가우시안 분포(Gaussian distribution)에서 뽑은 두
군집을 미니배치 경사 하강법(minibatch gradient descent)으로 분류합니다. 파이썬 노트북 하나면 충분한
실험입니다. 그런데 노트북을 몇 번 실행해 보면 두 가지 의문이 생깁니다. 먼저 답을 요약하면 다음과
같습니다.

- **왜 실행할 때마다 결과가 다를까?** 노트북을 실행할 때마다 두 가지를 무작위로 새로 뽑습니다.
  데이터는 NumPy가, 초기 가중치는 TensorFlow가 뽑습니다. 그 밖에 무작위로 정해지는 것은 없습니다. 두
  라이브러리의 시드를 모두 고정하면 실행할 때마다 같은 결과가 나옵니다.
- **왜 층을 넓히면 결과가 나빠질까?** 0 이상 1 미만의 구간에서 뽑은 가중치는 부호가 모두 같습니다.
  그래서 모든 유닛이 같은 방향으로 바뀌고, 그 변화가 서로 더해집니다. 층이 넓으면 처음 몇 스텝에서
  가중치가 너무 크게 바뀌어, 어떤 샘플을 넣어도 모든 유닛의 ReLU 입력이 음수가 됩니다. 이런 유닛에는
  그레이디언트(gradient)가 흐르지 않으므로 신경망은 *붕괴*(collapse)하고, 그 뒤로는 출력층의 편향만
  훈련됩니다. 에포크마다 마지막 미니배치 열 개는 모두 클래스 1이므로, 에포크가 끝날 때 이 편향은
  0.903이 됩니다. 그래서 어떤 샘플을 넣어도 출력이 0.903입니다. 이 값은 0.5보다 크므로 **모든 샘플을
  양성으로 예측하고**, 그 예측은 절반만 맞습니다. 출력이 지나치게 커지기도 하지만 처음 몇 스텝에서만
  그렇습니다(너비가 10이면 약 38입니다). 해결하려면 양수와 음수가 섞여 있고 층이 넓을수록 작아지는
  초기 가중치(`init="glorot_uniform"`)를 쓰거나 학습률(learning rate)을 줄이세요.

TensorFlow로 직접 구현한 노트북에서는 두 시드를 한 번씩 고정한 다음, 각 층의 가중치를 다음과 같이
뽑으세요.

```python
np.random.seed(0)  # 데이터를 뽑기 전에 한 번만
tf.random.set_seed(0)  # 가중치를 뽑기 전에 한 번만
limit = (6 / (n_in + n_out)) ** 0.5  # 글로럿 균등 분포
kernel = tf.Variable(tf.random.uniform((n_in, n_out), -limit, limit))
```

`kernel`이 각 층의 `W`입니다. `n_in`과 `n_out`은 첫 번째 층에서는 2와 너비(유닛 수), 두 번째 층에서는
둘 다 너비, 마지막 층에서는 너비와 1입니다. `tf.keras.utils.set_random_seed(0)` 한 줄로 두 시드를
한꺼번에 고정할 수도 있습니다. TensorFlow의 시드만 고정하면 실행할 때마다 데이터가 달라지므로 정확도도
달라집니다.

TensorFlow 1(또는 `tf.compat.v1`)에서는 변수를 만들기 전에 `tf.random.set_seed(0)` 대신
`tf.set_random_seed(0)`을 호출하세요. 나머지 세 줄은 같습니다.

`tf.keras.initializers.GlorotUniform`도 같은 분포에서 가중치를 뽑습니다. 다만 Keras 3에서는
`tf.random.set_seed`로 정한 시드를 따르지 않으므로 `GlorotUniform(seed=1)`,
`GlorotUniform(seed=2)`처럼 층마다 다른 시드를 지정하세요.

이제 같은 실험을 `LowLevelMLPClassifier`로 다시 하면서 앞에서 말한 원인을 수치로 확인해 보겠습니다. 이
페이지는 [그대로 실행할 수 있는 스크립트](two_clouds.py)를 바탕으로 만들었습니다. 실행하기 전에 그림에
쓸 한글 글꼴을 `python -m pip install koreanize-matplotlib`으로 설치하세요. 코드는
[영어 원문](../tutorials/plot_two_clouds.py)과 같습니다.
"""

# %%
# ## 데이터와 신경망
#
# (0, 3) 주위의 샘플 1,000개가 클래스 0, (3, 0) 주위의 샘플 1,000개가 클래스 1이고, 데이터는 이 순서로
# 나열되어 있습니다. 신경망은 ReLU 유닛이 두 개씩 있는 은닉층(hidden layer) 두 개와 선형 출력 하나로
# 이루어지며, 손실 함수(loss function)는 제곱 오차(squared error)입니다. 가중치(kernel)는 [0, 1)
# 구간의 균등 분포(uniform distribution)에서 뽑고, 편향(bias)은 0으로 초기화합니다. 훈련에는 가장
# 단순한 경사 하강법을 쓰며, 스텝마다 샘플을 순서대로 100개씩 사용합니다. `tol=0`과
# `n_iter_no_change=np.inf`를 지정하여 훈련이 도중에 멈추지 않게 했으므로, 수렴하지 않았다는 경고가
# 나오는 것이 정상입니다.

import textwrap
import warnings
from itertools import pairwise

import koreanize_matplotlib  # noqa: F401  (그림에 쓸 한글 글꼴)
import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import DecisionBoundaryDisplay

from skdense import LowLevelMLPClassifier, fit_many
from skdense.datasets import make_two_clouds
from skdense.exceptions import CollapseWarning
from skdense.inspection import dead_unit_masks

warnings.simplefilter("ignore", ConvergenceWarning)
plt.rcParams["font.family"] = [
    "DejaVu Sans",
    "NanumGothic",
]  # 앞의 글꼴에 없는 한글은 뒤의 글꼴로

X, y = make_two_clouds(random_state=0)


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


sound = make_network(random_state=2).fit(X, y)
print(f"100 에포크 뒤 정확도: {sound.score(X, y):.4f}")

# %%
# 이런 샘플에서는 어떤 분류기를 써도 평균 정확도가 99.87%를 넘을 수 없습니다. 신경망은 두 군집 사이의
# 경계에서 출력이 0에서 1로 매끄럽게 올라가는 계단 모양의 함수 하나를 학습했습니다.

figure, (clouds, losses) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
DecisionBoundaryDisplay.from_estimator(
    sound, X, response_method="predict_proba", cmap="RdBu_r", alpha=0.5, ax=clouds
)
for label, color in enumerate(["tab:blue", "tab:red"]):
    clouds.scatter(*X[y == label].T, s=4, color=color, label=f"클래스 {label}")
clouds.set(xlabel="특성 0", ylabel="특성 1", title="100 에포크 뒤")
clouds.legend(loc="upper right")
losses.semilogy(sound.loss_curve_)
losses.set(xlabel="에포크", title="손실")
plt.show()

# %%
# ## 왜 실행할 때마다 결과가 다를까?
#
# `random_state`만 0부터 9까지 서로 다르게 지정한 신경망 열 개를 한꺼번에 훈련해 보겠습니다.

networks = fit_many([make_network(random_state=seed) for seed in range(10)], X, y)
print("시드별 정확도:", *(f"{network.score(X, y):.4f}" for network in networks))

# %%
# 훈련 과정에는 무작위성이 없으므로 무작위로 정해지는 것은 초기 가중치뿐입니다.
# `random_state=None`이면 초기 가중치를 NumPy의 전역 난수 상태에서 뽑는데, 이 상태는 실행할 때마다
# 다릅니다. 정수를 지정하면 실행할 때마다 비트 단위까지 똑같은 결과가 나옵니다.

again = make_network(random_state=2).fit(X, y)
print("손실이 같음:", again.loss_curve_ == sound.loss_curve_)

# %%
# ## 붕괴한 신경망의 모습
#
# 위의 신경망 중 몇 개는 정확도가 정확히 0.5입니다. 바로 **붕괴**한 신경망입니다. 훈련이 이렇게 끝나면
# `fit`은 `skdense.exceptions.CollapseWarning` 경고를 냅니다. ConvergenceWarning의 하위 클래스라서
# 위에서는 함께 꺼졌습니다. 이번에는 경고를 켜고, 각 은닉 유닛이 전체 샘플에서 내는 최댓값도 함께
# 출력해 보겠습니다. 경고 메시지는 부호가 같은 가중치만 뽑는 `init='uniform'`을 원인으로 지목합니다.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", CollapseWarning)
    collapsed = make_network(random_state=0).fit(X, y)
print(textwrap.fill(f"CollapseWarning: {caught[-1].message}", 88))


def hidden_values(network, X):
    """각 은닉층의 값, `(n_samples, width)`."""
    values = []
    for kernel, bias in list(zip(network.coefs_, network.intercepts_))[:-1]:
        X = np.maximum(X @ kernel + bias, 0)
        values.append(X)
    return values


for name, network in [("정상", sound), ("붕괴", collapsed)]:
    outputs = network.predict_proba(X)[:, 1]
    print(f"{name}: 출력의 최솟값과 최댓값 {outputs.min():.3f}, {outputs.max():.3f}")
    for layer, values in enumerate(hidden_values(network, X), start=1):
        print(f"  은닉층 {layer}: {values.max(axis=0).round(3)}")

# %%
# 두 번째 은닉층의 두 유닛은 모든 샘플에서 값이 0입니다. 이런 유닛을 **죽은 유닛**(dead unit)이라고
# 합니다. ReLU 유닛은 값이 0이면 그레이디언트도 0입니다. 따라서 이런 유닛은 다시는 그레이디언트를 받지
# 못하고, 그보다 앞에 있는 층도 마찬가지입니다. 이제 훈련되는 것은 출력층의 편향뿐입니다.
#
# 데이터가 클래스 순서대로 들어오므로 편향은 그때그때 들어오는 클래스를 따라갑니다. 스텝마다 편향
# `b`가 `b + 0.2 * (target - b)`로 바뀌고, 클래스 1의 미니배치 열 개를 훈련하고 나면
# `1 / (1 + 0.8**10)`, 즉 0.903이 됩니다. 이 값은 0.5보다 크므로 신경망은 모든 샘플을 클래스 1로
# 예측합니다.
#
# ## 왜 층을 넓히면 붕괴할까?
#
# 가중치가 모두 양수이면 서로 상쇄되는 항이 없으므로 각 유닛에서 앞 층의 값이 모두 더해집니다. 그래서
# 너비가 w인 층을 지나면 값이 약 w / 2배가 되고, 은닉층이 두 개이면 첫 예측값은 w의 제곱에 비례하여
# 커집니다. 그런데 타깃은 0 아니면 1입니다.

widths = [2, 5, 10, 20]


def initial_kernels(width, seed):
    """`init="uniform"`이 뽑는 가중치."""
    stream = np.random.RandomState(seed)
    return [stream.uniform(0, 1, shape) for shape in pairwise([2, width, width, 1])]


def first_prediction(width, seed):
    """첫 스텝 전 신경망의 출력 평균."""
    values = X
    for kernel in initial_kernels(width, seed):
        values = np.maximum(values @ kernel, 0)  # 출력은 어차피 음수가 아니다
    return values.mean()


def dead_fraction(network):
    """두 번째 층에서 죽은 유닛의 비율."""
    return dead_unit_masks(network, X)[1].mean()


def dead_after_a_step(width, seed):
    """한 스텝 뒤의 같은 비율. `partial_fit`은 미니배치 하나로 한 스텝만 나아간다."""
    network = make_network(width, random_state=seed)
    return dead_fraction(network.partial_fit(X[:100], y[:100], classes=[0, 1]))


for width in widths:
    first = np.mean([first_prediction(width, seed) for seed in range(40)])
    dead = np.mean([dead_after_a_step(width, seed) for seed in range(5)])
    print(f"너비 {width:2}: 첫 예측값 {first:5.1f}, 한 스텝 뒤 죽은 유닛 {dead:4.0%}")

# %%
# 타깃이 0인데 예측값이 38이나 되면 그레이디언트가 매우 커집니다. 가중치가 모두 양수이므로
# 그레이디언트의 부호도 모든 유닛에서 같고, 모든 유닛의 값이 한꺼번에 *작아지는* 쪽으로 훈련됩니다.
# 그래서 두 번째 은닉층이 넓으면 단 한 스텝 만에 유닛이 거의 다 죽습니다.
#
# ## 얼마나 자주 붕괴하고, 어떻게 막을 수 있을까?
#
# 너비마다 시드 20개로 같은 신경망을 훈련합니다. 초기 가중치를 바꾼 경우, 리키 ReLU(leaky ReLU)를 쓴
# 경우, 학습률을 줄인 경우와도 비교합니다. 신경망은 **발산**(divergence)하기도 합니다. 스텝이 점점
# 커지다가 매개변수에서 오버플로가 일어나는 경우입니다. 이때 `fit_many`는 나머지 신경망을 모두 훈련한
# 다음 `fit`과 똑같은 `ValueError`를 발생시킵니다. 출력에서 `5 + 0`은 붕괴한 신경망이 다섯 개이고 발산한
# 신경망은 없다는 뜻입니다.

seeds = range(20)
ways = {
    "uniform": {},
    "glorot_uniform": {"init": "glorot_uniform"},
    "uniform, leaky_relu": {"activation": "leaky_relu"},
    "uniform, 학습률 0.001": {"learning_rate_init": 0.001},
}


def fates(networks):
    """붕괴한 신경망의 수와 발산한 신경망의 수."""
    try:
        fit_many(networks, X, y)
    except ValueError:
        pass  # 나머지는 모두 훈련된다
    trained = [each for each in networks if getattr(each, "n_iter_", 0) == 100]
    outputs = [each.predict_proba(X)[:, 1] for each in trained]
    return sum(np.ptp(each) < 1e-6 for each in outputs), len(networks) - len(trained)


figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True, layout="constrained")
for (name, changes), marker in zip(ways.items(), "osD^"):
    counts = [
        fates([make_network(width, random_state=i, **changes) for i in seeds])
        for width in widths
    ]
    print(f"{name:20}", *(f"{n} + {m}".rjust(8) for n, m in counts))
    for axis, numbers in zip(axes, np.transpose(counts)):
        axis.plot([*map(str, widths)], numbers, marker=marker, label=name, alpha=0.8)
for axis, title in zip(axes, ("붕괴", "발산")):
    axis.set(title=title, xlabel="너비")
axes[0].set(ylabel="신경망 수(20개 중)", yticks=range(0, 21, 5))
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %%
# 기본값인 글로럿(Glorot) 초기화를 쓰면 가중치에 양수와 음수가 섞이고 층이 넓을수록 가중치가
# 작아지므로, 층이 넓어도 안전합니다. 다만 가장 좁은 층은 유닛이 두 개뿐이어서 모두 죽을 수 있습니다.
# `uniform`에서도 학습률을 100분의 1로 줄이면 너비가 20인 경우를 빼고 모든 신경망이 살아남습니다. 유닛이
# 죽는 것은 스텝이 너무 크기 때문이고, 스텝이 커지는 것은 부호가 같은 가중치에서 변화가 서로 더해지기
# 때문입니다. 리키 ReLU는 어디서나 그레이디언트가 0이 아니므로 붕괴하는 신경망은 없지만, 스텝의 크기는
# 그대로여서 대부분 발산합니다.
#
# 따라서 `init="glorot_uniform"`으로 가중치를 뽑거나 학습률을 줄이세요. 그래도 초기 가중치가 잘못 뽑힐
# 수 있다면 `n_init`을 쓰세요. 초기 가중치를 여러 번 뽑아 한꺼번에 훈련하고, 그중 손실이 가장 작은
# 신경망을 남깁니다.

best = make_network(random_state=0, n_init=8).fit(X, y)
print("초기 가중치별 손실:", best.init_losses_.round(4))
print(f"가장 좋은 신경망의 정확도: {best.score(X, y):.4f}")

# %%
# 노트북의 각 줄이 라이브러리의 어느 함수에 해당하는지는
# [영어 문서](../notebook.rst)에서 확인할 수 있습니다.
