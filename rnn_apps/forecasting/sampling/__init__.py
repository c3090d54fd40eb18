"""Sample paths: joint draws of all steps of the horizon."""
