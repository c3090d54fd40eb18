"""Programs as text: C for their statements, the header and source, the folder around them."""
