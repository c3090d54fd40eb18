"""What every application is made of: command line, configuration, run folder, report, demo."""
