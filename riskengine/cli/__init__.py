"""Command line: one file per group of commands, imported when a command is used."""
