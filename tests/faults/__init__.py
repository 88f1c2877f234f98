"""What goes wrong between us and AWS, on purpose: a proxy that breaks one request, and a campaign that walks it."""
