"""`python -m gradent_cli`: what the crontab line calls."""

from gradent_cli.cli import main

main()
