//! Session rules of both ends.
