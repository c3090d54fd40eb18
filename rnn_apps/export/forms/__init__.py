"""The forms that a recurrent layer takes in an exported file, and how one is chosen."""
