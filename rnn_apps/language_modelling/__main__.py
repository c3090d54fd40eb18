"""``python -m rnn_apps.language_modelling``: the application as its own script."""

import sys

from rnn_apps.application.command_line import main

sys.exit(main(["language", *sys.argv[1:]]))
