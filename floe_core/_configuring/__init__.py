"""Validates a plugin's configuration with its own schema, and never lets a value out."""
