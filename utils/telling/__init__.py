"""What every command takes and how it answers: --json, -q and -v, one document for programs, no bars on a pipe."""
