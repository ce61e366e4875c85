//! The computing function.
