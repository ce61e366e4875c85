//! The built programs on loopback, each a process of its own, and clients for all that they serve.
//!
//! Nothing in here shares memory with what it looks at: it reads REST, the event stream, metrics, the
//! simulator's control port, and the databases of processes that are dead.

pub mod api;
pub mod events;
pub mod legs;
pub mod part;
pub mod pbx;
pub mod rows;
pub mod site;

pub use api::{Api, Reply};
pub use events::{EventStream, Received};
pub use legs::Leg;
pub use part::{Part, Programs};
pub use pbx::Pbx;
pub use site::{Site, SiteConfig};
