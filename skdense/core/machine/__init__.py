"""TensorFlow and the machine: the import, compiling, programs on disk, memory, sizes, threads and BLAS.

Workarounds for signals, forks and versions of TensorFlow are here, and most numbers that were measured.
Nothing here knows a `Network`: functions take arrays and sizes.
"""
