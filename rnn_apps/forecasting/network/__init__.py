"""The forecasting networks: their inputs, layers and losses."""
