"""Running a plan: readiness, isolation, cancel; the loop that submits, polls and resumes; events."""
