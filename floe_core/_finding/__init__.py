"""Finds the plugins that installed distributions declare, importing none of them."""
