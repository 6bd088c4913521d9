"""How the models of the demo were made: every one from a command, a seed and a settings file."""
