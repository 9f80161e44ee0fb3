"""The only door to the API server: no other part of the operator has a client of it."""
