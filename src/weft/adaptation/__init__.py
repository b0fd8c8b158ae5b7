"""Models that adapt while they read: dynamic evaluation and the continuous cache."""

from weft.adaptation.adapting import AdaptingModel
from weft.adaptation.cache import Cache
from weft.adaptation.gradient_sizes import GradientSizes, gradient_sizes
from weft.adaptation.rules import Dynamic, DynamicRMS, DynamicSGD

__all__ = ["AdaptingModel", "Cache", "Dynamic", "DynamicRMS", "DynamicSGD", "GradientSizes", "gradient_sizes"]
