"""The mathematics: each choice of a user, such as "relu" or "adam", is one record of pure functions.

The functions know nothing of how parameters are laid out in memory, or of programs.
"""
