"""Command lines: `manager` runs the operator, `kubectl` explains it."""
