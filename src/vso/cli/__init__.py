"""Command lines. `manager` runs the operator."""
