"""What is installed to build and test this repository: locked requirements, and the Pythons to try them on.

Standard library only, since this runs before any environment exists: `python -m environments --help`.
"""
