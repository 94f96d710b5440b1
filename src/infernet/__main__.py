"""`python -m infernet`: the command line."""

from infernet.cli import main

main()
