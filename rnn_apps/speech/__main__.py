"""``python -m rnn_apps.speech``: the application as its own script."""

import sys

from rnn_apps.application.command_line import main

sys.exit(main(["speech", *sys.argv[1:]]))
