"""What was concluded, for people and programs. The document (the JSON) comes first; all else draws from it alone."""
