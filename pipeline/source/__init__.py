"""What people write: manifests, scripts, voices. In: files. Out: frozen data, or every problem at once."""
