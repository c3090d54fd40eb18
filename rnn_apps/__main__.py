"""``python -m rnn_apps``."""

import sys

from rnn_apps.application.command_line import main

sys.exit(main())
