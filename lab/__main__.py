"""`python -m lab` is `lab`."""

from lab.cli.app import main

main()
