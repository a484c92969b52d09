"""The packaged rule books, one YAML file each."""
