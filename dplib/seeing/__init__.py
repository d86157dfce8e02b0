"""What the network looks at: fields, gates, maps, CAMs, and whether they are true."""
