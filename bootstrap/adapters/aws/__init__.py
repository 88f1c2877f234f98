"""AWS's API. The only place that imports boto3, and it does so late: it costs most of a second."""
