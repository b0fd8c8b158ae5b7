"""Matrix products: operands packed into panels, register-blocked micro-kernels, and the loops around them."""
