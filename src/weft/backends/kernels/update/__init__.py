"""Fused optimizer updates, averages, gradient norms and sparse row updates."""
