"""Recordings with what is said in them: listed, loaded, synthesised, labelled, dealt out."""
