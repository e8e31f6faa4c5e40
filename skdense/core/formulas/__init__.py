"""The mathematics: each choice of a user, such as "relu" or "adam", is one record of pure functions.

The functions take arrays or tensors. They import nothing of programs, and do not know the vector that
parameters are packed into; a layer only says which value a padded unit needs.
"""
