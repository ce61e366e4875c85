//! The `ringway-cloud` program; everything is in the library.

fn main() {}
