"""What Python does around a compiled program: it plans, draws orders, and runs chunks of steps.

In come buckets of networks; each network goes through a program and comes out with its trained
parameters, its progress and its curves.
"""
