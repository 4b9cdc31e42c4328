"""The figures of the protocol on plain arrays."""
