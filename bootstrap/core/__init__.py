"""Pure: values in, values out. No file, process, network, clock or environment variable in here."""
