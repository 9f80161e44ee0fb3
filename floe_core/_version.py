"""The version of the floe-core distribution; the build reads it, too."""

__version__ = "0.1.0"
