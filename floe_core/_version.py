"""The version of the distributions floe-core and floe-operator; their builds read it, too."""

__version__ = "0.1.0"
