"""Whether int8 will do for weights, and what makes it do better."""
