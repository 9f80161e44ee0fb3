"""Validates a plugin's configuration with its own schema and never reveals a value."""
