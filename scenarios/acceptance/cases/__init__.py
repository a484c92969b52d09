"""The packaged cases, one YAML file each."""
