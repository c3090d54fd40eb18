"""``python -m rnn_apps.forecasting``: the application as its own script."""

import sys

from rnn_apps.application.command_line import main

sys.exit(main(["forecast", *sys.argv[1:]]))
