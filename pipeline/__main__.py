"""`python -m pipeline` is `podcast`."""

from pipeline.cli.main import main

main()
