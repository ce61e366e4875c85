//! Destination codes: which number of the trunk goes where.

use std::fmt;

use super::number::{Number, Pattern};

/// Who a call goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The built-in application that sends back what it hears.
    Echo,
    /// The conference of that number: all who call it hear each other.
    Conference,
    /// The second PBX target.
    CallThrough,
    /// An application of the far end, by its name.
    Application(Box<str>),
    /// The softphone of an extension. No code leads there: the PBX calls its registration.
    Softphone(Box<str>),
    /// The PBX: a call of the far end.
    Pbx,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo => f.write_str("echo"),
            Self::Conference => f.write_str("conference"),
            Self::CallThrough => f.write_str("call-through"),
            Self::Application(name) => write!(f, "application {name}"),
            Self::Softphone(extension) => write!(f, "softphone {extension}"),
            Self::Pbx => f.write_str("pbx"),
        }
    }
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
        .map(|route| route.to.clone())
}

/// The codes that lead to an application of the far end.
pub(super) fn codes_of<'a>(
    routes: &'a [Route],
    application: &'a str,
) -> impl Iterator<Item = &'a Pattern> {
    let of = move |route: &&Route| matches!(&route.to, Destination::Application(name) if **name == *application);
    routes.iter().filter(of).map(|route| &route.code)
}
