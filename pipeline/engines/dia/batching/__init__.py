"""Takes share the decode steps: scheduling, prefill, sampling, the delay pattern, the text as tokens."""
