"""The translation model as it is deployed, and its export."""
