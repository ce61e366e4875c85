//! One thread that owns one SQLite connection and commits in groups.
