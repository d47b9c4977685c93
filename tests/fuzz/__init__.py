"""Coverage-guided fuzzing of every parser of bytes or text that strangers, clients or operators fill.

`targets` says what is parsed, from which good inputs, and which exceptions are documented; `run` lets atheris (libFuzzer for
Python) look for inputs that reach new lines of ours; ``script/fuzz`` is the command line.
"""
