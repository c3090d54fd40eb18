"""The recogniser as it is deployed, and its export."""
