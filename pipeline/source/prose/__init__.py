"""How text is read, whoever wrote it: what stands beside it in its file, its blocks, brackets, lines and markup."""
