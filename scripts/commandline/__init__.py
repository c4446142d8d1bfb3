"""How command lines are read and how they end, and the list of commands."""
