"""TensorFlow and the machine: the import, compiling, memory, sizes, threads, Ctrl-C and forks.

Everything that a machine or a version of TensorFlow has decided is here, and nothing of networks.
"""
