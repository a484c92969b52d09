"""Many plants at once: orders shared between them, and policies."""
