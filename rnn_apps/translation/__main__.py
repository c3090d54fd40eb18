"""``python -m rnn_apps.translation``: the application as its own script."""

import sys

from rnn_apps.application.command_line import main

sys.exit(main(["translate", *sys.argv[1:]]))
