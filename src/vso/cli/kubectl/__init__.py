"""`kubectl vso`: explains what the operator does, and what keeps it from doing it.

`main` has the table of commands; each command is one module here. Nothing of this is needed by the operator itself.
"""
