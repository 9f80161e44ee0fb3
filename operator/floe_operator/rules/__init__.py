"""The rules of the operator, pure: no cluster, no clock, no event loop, no process."""
