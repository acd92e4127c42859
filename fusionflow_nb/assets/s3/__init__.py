"""Assets in an S3-compatible bucket (Cloudflare R2)."""
