"""Imports a plugin's class and reads its description before any constructor runs."""
