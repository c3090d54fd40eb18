"""Recordings with transcripts: listed, loaded, synthesised, labelled, divided into parts."""
