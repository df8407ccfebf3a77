"""Lets `python -m memapp` run the command line."""

from memapp.cli import main

if __name__ == "__main__":
    main()
