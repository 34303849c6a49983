"""`python -m modernmail` is `modernmail`."""

import sys

from modernmail.cli.__main__ import main

sys.exit(main())
