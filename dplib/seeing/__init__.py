"""What the network looks at: receptive fields and gates."""
