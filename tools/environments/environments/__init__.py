"""What is installed to build and test this repository: locked requirements, and the Pythons to try them on.

Standard library only, since it runs before there is an environment: `python -m environments --help`.
"""
