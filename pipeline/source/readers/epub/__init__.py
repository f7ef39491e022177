"""EPUB: a book of HTML documents in their order, with its contents and what it tells of itself.

`book` is the door; it needs the package document (`opf`), the book's own contents (`contents`) and what stands before
and behind the text (`matter`).
"""
