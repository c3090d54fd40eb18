"""How good forecasts are, compared with baselines, and intervals that hold."""
