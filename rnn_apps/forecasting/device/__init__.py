"""The forecasting model as it is deployed, and its export."""
