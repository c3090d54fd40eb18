"""What a forecasting network gives for each step: a point, quantiles or a distribution."""
