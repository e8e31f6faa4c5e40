"""TensorFlow and the machine: the import, compiling, programs on disk, memory, sizes, threads and BLAS.

- `lazy_import`: imports the parts of TensorFlow that a fit needs; `log`: keeps its log off stderr;
- `tensorflow`: starts it, and shares memory with it; `context`: runs programs apart from the user's;
- `compiling`: programs of this process; `disk`: programs of earlier processes;
- `threads`: tasks that no signal interrupts, forks, BLAS, blocks of rows; `costs`: measured limits.

Nothing here knows a `Network`: functions take arrays and sizes.
"""
