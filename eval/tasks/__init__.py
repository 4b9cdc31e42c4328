"""The tasks of the protocol, one module each."""
