"""The recurrent layers' machinery: a cell's loop over time, compiled, with its gradient."""
