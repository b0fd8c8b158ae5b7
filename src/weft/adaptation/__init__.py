"""Models that adapt while they read: dynamic evaluation and the continuous cache."""

from weft.adaptation.cache import Cache
from weft.adaptation.dynamic_evaluation import Dynamic, DynamicRMS, DynamicSGD
from weft.adaptation.gradient_rms import GradientSizes, gradient_sizes
from weft.adaptation.model import AdaptingModel

__all__ = ["AdaptingModel", "Cache", "Dynamic", "DynamicRMS", "DynamicSGD", "GradientSizes", "gradient_sizes"]
