"""One file a command: parse what was typed, call its workflow, print the result."""
