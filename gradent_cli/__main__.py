"""`python -m gradent_cli`: what the crontab line calls."""

import os
import sys
import time

from gradent_cli import tick

if not tick.nothing_is_due(sys.argv[1:], os.environ, time.time()):
    from gradent_cli.cli import main

    main()
