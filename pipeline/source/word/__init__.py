"""WordprocessingML: what stands in the parts of a DOCX package."""
