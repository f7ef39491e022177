"""One job, and several at once: stages, report, status, disk."""
