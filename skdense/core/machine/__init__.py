"""TensorFlow and the machine: the import, compiling, memory, sizes, threads, Ctrl-C and forks.

Workarounds for versions of TensorFlow, and most numbers that were measured, are here. Nothing here
knows a `Network`: functions take arrays and sizes.
"""
