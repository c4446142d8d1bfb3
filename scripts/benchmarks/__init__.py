"""What scripts.benchmark measures: the same training step on this project and on PyTorch."""
