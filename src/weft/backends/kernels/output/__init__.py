"""The fused output layer: scores, softmax, loss and gradients in two sweeps over the vocabulary."""
