//! Destination codes: which number of the trunk goes where.

use super::number::{Number, Pattern};

/// Who answers a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The built-in application that sends back what it hears.
    Echo,
    /// The second PBX target.
    CallThrough,
}

/// One destination code.
#[derive(Debug, Clone)]
pub struct Route {
    /// The numbers.
    pub code: Pattern,
    /// Who answers them.
    pub to: Destination,
}

/// The first route that takes the number, as configured.
pub(super) fn find(routes: &[Route], number: &Number) -> Option<Destination> {
    routes
        .iter()
        .find(|route| route.code.matches(number))
        .map(|route| route.to)
}
