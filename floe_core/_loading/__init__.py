"""Imports a plugin's class, and reads what it says of itself before any constructor runs."""
