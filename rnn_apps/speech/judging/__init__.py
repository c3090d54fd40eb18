"""How good a recogniser is: errors by word and character."""
