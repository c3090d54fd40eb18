"""Time stamps in whatever notation, as times, zones and frequencies."""
