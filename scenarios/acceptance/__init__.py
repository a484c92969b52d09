"""Acceptance of a control program: cases played with it, and a verdict on each from the run alone."""
