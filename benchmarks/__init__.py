"""The benchmark suite of skdense: `python -m benchmarks`, or `benchopt run benchmarks`."""
