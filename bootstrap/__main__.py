"""`python -m bootstrap` does what the `bootstrap` command does."""

from bootstrap.cli import main

if __name__ == "__main__":
    main()
