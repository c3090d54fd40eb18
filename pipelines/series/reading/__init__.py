"""From tables to arrays: the role of each column, and the values of the columns with a role."""
