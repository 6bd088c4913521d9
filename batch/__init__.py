"""A table in, a table out: pictures by the thousand through ComfyUI servers."""
