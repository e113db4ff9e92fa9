"""``python -m riskengine``: the command line."""

import sys

from riskengine.cli.main import main

sys.exit(main())
