#![doc = include_str!("../README.md")]

pub mod dialog;
pub mod digest;
mod grammar;
pub mod header;
pub mod headers;
pub mod id;
pub mod locate;
pub mod mask;
pub mod message;
pub mod method;
pub mod name;
pub mod params;
pub mod registration;
pub mod status;
pub mod stream;
pub mod transaction;
pub mod transport;
pub mod ua;
pub mod uri;

pub use header::{Header, HeaderError};
pub use headers::Headers;
pub use message::{Message, ParseError, Rejection, Request, Response, check_request};
pub use method::Method;
pub use name::HeaderName;
pub use params::Params;
pub use status::StatusCode;
pub use uri::{Host, HostPort, Scheme, Uri};
