"""Files of PyTorch: their containers, and the models and parameters in them."""
