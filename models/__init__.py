"""Mechanisms in torch: tensors in, tensors out."""
