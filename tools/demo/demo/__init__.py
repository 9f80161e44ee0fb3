"""`make run` and `make demo`: the operator on its own control plane, with the example plugins."""
