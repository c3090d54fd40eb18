"""Sound files and samples: what they hold, checked before anything trusts it."""
