"""Long runs whose results are committed: every table in docs/ comes from a command in here."""
