"""Time series: from any source to regular series, their parts, their scale and their windows."""
