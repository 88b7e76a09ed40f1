"""Runs pkilint's own commands over many files in one process.

Reads lines `LINTER ARGUMENT...` from standard input and answers each with one line of JSON. Starting
Python and the linter anew for each file would take minutes.
"""

import contextlib
import importlib
import io
import sys

for line in sys.stdin:
    linter, *arguments = line.split()
    command = importlib.import_module(f"pkilint.bin.{linter}")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        command.main(["lint", "-s", "WARNING", "-f", "JSON", *arguments])
    print(" ".join(said.getvalue().split()), flush=True)
