"""Equations as plain functions on numbers and arrays; no plant, no time, no Python objects."""
