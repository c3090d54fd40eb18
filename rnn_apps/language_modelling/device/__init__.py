"""The language model as it is deployed, and its export."""
