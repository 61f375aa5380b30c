"""The rules engine: an agent's dialogue as a YAML script. It is no language model."""
