"""What everything stands on: errors, whole files, cheap imports, children."""
