"""`make run` and `make demo`: the operator on a control plane of its own, with the example plugins."""
