"""What comes from outside: pictures, tensors, arrays, descriptors, weights."""
