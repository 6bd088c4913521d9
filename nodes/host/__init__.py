"""All that knows the host's internals."""
