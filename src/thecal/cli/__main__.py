"""``python -m thecal.cli``: the same as ``thecal``."""

import sys

from thecal.cli import main

sys.exit(main())
