"""The parts of tests/goldens: one module per kind of fixture."""
