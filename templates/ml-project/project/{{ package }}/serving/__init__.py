"""The model as a service: an API that answers with prices, and a page in front of it."""
