"""Covariates beyond columns of numbers: categories, tables of their own, holidays."""
