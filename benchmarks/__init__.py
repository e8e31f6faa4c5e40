"""The benchmark suite of skdense: `python -m benchmarks`."""
