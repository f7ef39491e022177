"""Nobody listens: the drop folder, the digest, and Prefect."""
