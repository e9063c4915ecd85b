"""SavedModels, their signatures, and exports to LiteRT and ONNX."""
