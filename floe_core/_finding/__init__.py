"""Finds the plugins that installed distributions declare, without importing them."""
