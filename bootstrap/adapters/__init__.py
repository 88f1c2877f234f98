"""One module for each thing outside: a program, a service, a kind of file."""
