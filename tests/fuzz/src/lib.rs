//! The targets' functions, as the tests have them.

#[path = "../../src/fuzz.rs"]
pub mod fuzz;
