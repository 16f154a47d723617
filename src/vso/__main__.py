"""``python -m vso`` runs the manager."""

import sys

from vso.cli.manager import main

sys.exit(main())
