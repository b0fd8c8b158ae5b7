"""A run from text to trained model: settings, preparation, training, reporting."""
