"""A run, from a text to a trained model: settings, preparation, training and reporting."""
