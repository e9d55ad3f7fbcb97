"""JSON in and out, by pydantic: what is stored of settings and what the console takes and gives."""
