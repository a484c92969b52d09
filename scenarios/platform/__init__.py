"""Ledgers for the provincial platform: messages of a fixed form, an outbox that forgets nothing, and a platform to test against."""
