"""Packaged examples of declared facts, one YAML file each."""
