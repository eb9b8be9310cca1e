"""The jobs: each is one task of a pipeline, an entry point of the wheel, and a command of ``entity-matching run``."""
