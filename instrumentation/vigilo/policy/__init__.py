"""What is done about a call: masking and pricing."""
