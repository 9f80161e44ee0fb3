"""Creates, starts, checks and stops plugins, within time limits and in the order of their dependencies."""
