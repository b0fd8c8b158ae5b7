"""Models that adapt while they read: dynamic evaluation and the continuous cache."""

from weft.adaptation.cache import Cache
from weft.adaptation.dynamic_evaluation import Dynamic, DynamicRMS, DynamicSGD
from weft.adaptation.gradient_rms import GradientRMS, measure_gradient_rms
from weft.adaptation.model import AdaptingModel

__all__ = ["AdaptingModel", "Cache", "Dynamic", "DynamicRMS", "DynamicSGD", "GradientRMS", "measure_gradient_rms"]
