"""Monthly normals of the packaged climates, a YAML file each."""
