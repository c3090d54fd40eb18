"""How good a language model is, compared with n-grams."""
