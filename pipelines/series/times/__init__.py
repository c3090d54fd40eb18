"""Time stamps in any notation, read as times, zones and frequencies."""
