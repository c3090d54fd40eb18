"""How good translations are: BLEU, chrF and scores of given translations."""
