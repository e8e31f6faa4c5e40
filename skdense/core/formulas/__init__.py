"""The mathematics: each choice of a user, such as "relu" or "adam", is one record of pure functions.

The functions know nothing of layouts, stacks or programs.
"""
