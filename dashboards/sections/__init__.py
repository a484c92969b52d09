"""Sections of the report, one file each; every one has `section(facts) -> Section` and copes with missing tables."""
