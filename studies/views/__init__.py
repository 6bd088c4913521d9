"""Several views of one subject: what a second picture is worth."""
