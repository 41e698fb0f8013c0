"""The parts of scripts/goldens.py: one module per kind of fixture."""
