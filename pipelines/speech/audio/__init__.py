"""Sound files and samples, whose content is checked before it is used."""
