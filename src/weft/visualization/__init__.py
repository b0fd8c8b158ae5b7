"""Pictures of scores: an HTML page of text coloured by surprisal, and a plot of surprisal by word."""
