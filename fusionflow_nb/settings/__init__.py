"""What this user has configured: environment, credentials, bucket."""
