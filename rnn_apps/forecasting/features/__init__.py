"""What a network is told about the data: calendar, seasons, scales."""
