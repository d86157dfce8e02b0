"""What comes from outside, told by its content: pictures, tensors, arrays, weights."""
