"""All access to the API server: no other part of the operator has a client for it."""
