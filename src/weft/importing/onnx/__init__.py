"""Files of ONNX: their encoding, their graph, and the language models in them."""
