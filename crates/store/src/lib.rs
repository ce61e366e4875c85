//! SQLite stores with one writer thread and group commit: outbox, far-end log
