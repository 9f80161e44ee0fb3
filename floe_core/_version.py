"""The version of the floe-core distribution, read by the build as well."""

__version__ = "0.1.0"
