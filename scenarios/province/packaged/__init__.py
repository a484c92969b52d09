"""Packaged provinces."""
