"""What each command of `floe-operator` does."""
