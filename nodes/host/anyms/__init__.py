"""AnyMS in the host: image adapters from files, and subjects in boxes on SDXL and FLUX.1."""
