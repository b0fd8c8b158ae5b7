"""Pictures of scores: a page of text coloured by surprisal, and a plot of surprisal over words."""
