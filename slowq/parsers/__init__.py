"""What bytes mean: wrappers, zap lines, slow requests, evidence, the access log, and the tables made of them."""
