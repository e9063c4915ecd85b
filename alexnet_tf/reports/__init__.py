"""Tables, pages, model cards, progress and TensorBoard summaries."""
