"""The commands of `floe-operator`."""
