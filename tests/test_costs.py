"""Buckets of sizes: few, close to what they hold, and the same wherever they are asked for."""

from hypothesis import given
from hypothesis import strategies as st

from skdense.core.machine.costs import bucket, power_of_two

sizes = st.integers(1, 5000)


@given(sizes)
def test_a_bucket_holds_its_size_and_little_more(size):
    assert 0 <= bucket(size) - size < max(8, size / 16)
    assert bucket(size) <= max(8, 2 * size)
    if size > 32:
        assert bucket(size) <= 1.25 * size


@given(sizes)
def test_a_bucket_is_its_own_bucket(size):
    assert bucket(bucket(size)) == bucket(size)


@given(sizes, sizes)
def test_a_larger_size_has_no_smaller_bucket(size, other):
    low, high = sorted((size, other))
    assert bucket(low) <= bucket(high)


def test_few_buckets_cover_all_sizes():
    assert len({bucket(size) for size in range(1, 33)}) <= 5
    for octave in range(5, 16):
        assert len({bucket(size) for size in range(2**octave + 1, 2 ** (octave + 1) + 1)}) <= 16


@given(sizes)
def test_a_power_of_two_is_the_least_that_holds_its_size(size):
    power = power_of_two(size)

    assert power & (power - 1) == 0
    assert power / 2 < size <= power
