"""The mathematics: each choice of a user, such as "relu" or "adam", is one record of pure functions.

The functions know their arguments and nothing of layouts, stacks or programs.
"""
